"""60 short clips on every engine with two workers: a worker is killed, then the driver, and the batch goes on.

Among the clips are a corrupt one and one that is cut into parts. What comes out must be that of one process, byte for
byte. The tests of Ray start a real cluster on this machine, and are skipped where Ray is missing. Where something is to
be killed in the middle, clips come from a server that gives out some of them and lets workers wait for the others: so
the middle is no matter of speed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.batch.cases import contents, everything_ended, model_arguments, run, write_list
from tests.batch.servers import ClipServer, serve_clips
from tests.reliability.test_faults import Disk, disk  # noqa: F401  (a fixture)
from tests.tool_runs import TWO_PROCESSES, family

pytestmark = pytest.mark.slow

CLIPS = 60
BROKEN = "clip17"
ENGINES = ["local", "torchrun", "shards", pytest.param("ray", marks=pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'ray[data]'"))]  # fmt: skip


class Engine:
    """The command on one engine with two workers, as one process or two."""

    def __init__(self, name: str, videos: Path, tiny: tuple[Path, Path]) -> None:
        self.name = name
        self.videos = videos
        self._model = model_arguments(tiny)

    def commands(self, out: Path, *words: str) -> list[list[str]]:
        options = [str(self.videos), "--out", str(out), *self._model, *words]
        program = [sys.executable, "-m", "mmdet_vis", "batch", *options]
        if self.name == "torchrun":
            launch = [sys.executable, *TWO_PROCESSES]
            return [[*launch, "-m", "mmdet_vis", "batch", *options, "--engine", "torchrun"]]
        if self.name == "shards":
            return [[*program, "--shard", f"{part}/2"] for part in range(2)]
        return [[*program, "--engine", self.name, "--workers", "2"]]

    def start(self, out: Path, *words: str) -> list[subprocess.Popen[str]]:
        return [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for command in self.commands(out, *words)
        ]

    def finish(self, out: Path, processes: list[subprocess.Popen[str]]) -> str:
        """Wait for the end; what was said at it, by the merge after parts."""
        told = [process.communicate(timeout=1500) for process in processes]
        for process, (_, err) in zip(processes, told, strict=True):
            assert process.returncode in (0, 3), err
            assert "Traceback" not in err, err
            assert "logging.cc" not in err, "Ray speaks between the program's lines"
        if self.name != "shards":
            assert processes[0].returncode == 3
            return told[0][0]
        merge = [sys.executable, "-m", "mmdet_vis", "batch", str(self.videos), "--out", str(out), "--merge-only"]
        done = subprocess.run(merge, capture_output=True, text=True)
        assert done.returncode == 3, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = [4 + 7 * number % 5 for number in range(CLIPS - 1)]
    path = write_list(tmp_path_factory.mktemp("videos"), [*lengths, 90])
    (path.parent / f"{BROKEN}.mp4").write_bytes((path.parent / f"{BROKEN}.mp4").read_bytes()[:400])
    return path


@pytest.fixture(scope="module")
def one_process(tiny: tuple[Path, Path], videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All files of the batch as one process makes them, without an engine."""
    out = tmp_path_factory.mktemp("one") / "out"
    assert run(tiny, videos, out) == 3
    return contents(out)


@pytest.fixture
def server(videos: Path) -> Iterator[ClipServer]:
    with serve_clips(videos.parent, at_first=CLIPS // 2) as server:
        yield server


@pytest.fixture
def engine(request: pytest.FixtureRequest, videos: Path, tiny: tuple[Path, Path]) -> Engine:
    return Engine(request.param, videos, tiny)


def results(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("videos/clip*.json")}


def wait(processes: list[subprocess.Popen[str]], moment: Callable[[], bool]) -> None:
    while not moment():
        assert any(process.poll() is None for process in processes), [p.communicate() for p in processes]
        time.sleep(0.01)


def workers_of(processes: list[subprocess.Popen[str]]) -> Iterator[int]:
    """Processes that segment."""
    for process in processes:
        for pid in family(process.pid):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if b"multiprocessing.spawn" in line or line.startswith(b"ray::MapWorker"):
                yield pid


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_killed_worker_and_a_killed_driver_lose_and_double_nothing(engine, server, one_process, tmp_path):
    out = tmp_path / "out"
    engine.videos = server.list_of(engine.videos, tmp_path / "videos.jsonl")
    processes = engine.start(out)
    wait(processes, lambda: len(results(out)) >= 8)
    os.kill(next(workers_of(processes)), signal.SIGKILL)
    at_death = len(results(out))
    wait(processes, lambda: len(results(out)) >= at_death + 12)
    family_of_all = [pid for process in processes for pid in family(process.pid)]
    for process in processes:
        process.kill()
    for process in processes:
        process.communicate()
    everything_ended(family_of_all)
    before = results(out)
    assert 20 <= len(before) <= CLIPS // 2, "the server gave out no more"
    server.everything.set()
    processes = engine.start(out, "--resume")
    wait(processes, lambda: bool(list(workers_of(processes))))
    pids = [pid for process in processes for pid in family(process.pid)]
    told = engine.finish(out, processes)
    everything_ended(pids)
    assert {name: stamp for name, stamp in results(out).items() if name in before} == before
    assert contents(out) == one_process
    frames = sum(4 + 7 * number % 5 for number in range(CLIPS - 1) if number != int(BROKEN[4:])) + 90
    assert f"{CLIPS - 1} of {CLIPS} videos done, {frames} frames" in told
    report = json.loads((out / "report.json").read_text())
    assert [(failure["videos"], failure["ids"]) for failure in report["failures"]] == [(1, [BROKEN])]
    table = pyarrow.parquet.read_table(out / "status.parquet").to_pylist()
    assert [row["id"] for row in table] == [f"clip{number:02d}" for number in range(CLIPS)]
    assert {row["id"] for row in table if row["status"] != "done"} == {BROKEN}


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_full_disk(engine, one_process, tmp_path, disk: Disk):  # noqa: F811
    out = disk.folder / "out"
    size = sum(-(-len(data) // 4096) * 4096 for data in one_process.values())
    disk.resize(size // 3)
    processes = engine.start(out)
    ends = [process.communicate(timeout=1500) for process in processes]
    said = "\n".join(words for end in ends for words in end)
    for process, (_, err) in zip(processes, ends, strict=True):
        assert process.returncode == 2, err
        assert re.search(r"^error: .*: no room left \(No space left on device\); free some disk space", err, re.M), err
    assert "Traceback" not in said, said
    found = contents(out)
    assert {name for name in found if name.startswith("videos/")}
    unlike = [name for name, data in found.items() if one_process.get(name) != data]
    # Parts that are not joined, and rows that no table of all videos has taken.
    assert all(re.fullmatch(r"chunks/[^.].*/[^.].*|status/[^.].*\.parquet", name) for name in unlike), unlike
    if engine.name in ("local", "ray"):
        assert f"{len(results(out))} of {CLIPS} videos done" in said
    disk.resize(4 * size)
    engine.finish(out, engine.start(out, "--resume"))
    assert contents(out) == one_process
