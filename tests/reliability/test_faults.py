"""A disk that fills up or cannot be written, sources that stall, and a clock that jumps."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.config.load import load_config
from mmdet_vis.data.sources import find_inputs
from mmdet_vis.errors import DatasetError, OutputError, SourceError
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.videos import Run, run_dataset, run_files
from mmdet_vis.streaming import StreamReader
from mmdet_vis.streaming.run import StreamSummary, run_stream, stream_places
from mmdet_vis.visualization.video_writer import VideoWriter
from tests.tiny import write_frames
from tests.tiny_dataset import write_dataset_config, write_ytvis
from tests.tiny_training import last_iteration, train, weights, write_training

FORMATS = ("json", "overlay", "video", "png")
VIDEOS = {11: 3, 5: 2, 8: 2}


class Disk:
    """A file system in memory of a size that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount("size=64k", "tmpfs", "-t", "tmpfs")

    def _mount(self, options: str, *words: str) -> None:
        done = subprocess.run(["mount", *words, "-o", options, str(self.folder)], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip("needs the right to mount a file system in memory (root)")

    def resize(self, size: int) -> None:
        """Let it hold so many bytes."""
        self._mount(f"remount,rw,size={size}")

    def make_read_only(self) -> None:
        self._mount("remount,ro")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if shutil.which("mount") is None:
        pytest.skip("needs mount")
    folder = tmp_path / "disk"
    yield Disk(folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def model(tiny: tuple[Path, Path]) -> VISModel:
    return load_model(*tiny, device="cpu")


@pytest.fixture(scope="module")
def dataset_run(tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run over a dataset, only read by tests."""
    folder = tmp_path_factory.mktemp("whole")
    data = write_ytvis(folder / "data", "valid.json", "frames", VIDEOS)
    config = write_dataset_config(folder / "dataset.py", tiny[0], data)
    options = RunOptions(formats=FORMATS, show_thr=0.0, key_num=1)
    run = Run(load_config(config), tiny[1], options, "cpu", save_dir=folder / "out")
    assert run_dataset(run) == 0
    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Contents of all files of a run but its times and speed."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "summary.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def room_for(folder: Path) -> int:
    """Bytes that the files of a folder take on a disk with pages of 4096 bytes."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def whole_or_absent(found: dict[str, bytes], expected: dict[str, bytes], but: tuple[str, ...] = ()) -> None:
    """Each file is as it should be; those named in ``but`` grow from video to video."""
    assert not [name for name in found if ".tmp-" in name]
    for name, data in found.items():
        assert name in but or data == expected[name], name


def fill_and_resume(run: Callable[[bool], None], whole: Path, disk: Disk, growing: tuple[str, ...] = ()) -> None:
    """Let a run meet the end of its disk twice, then give it room; it must come to the same files as ``whole``."""
    expected, size = contents(whole), room_for(whole)
    for resume, share in ((False, 0.3), (True, 0.6)):
        disk.resize(int(share * size))
        with pytest.raises(OutputError, match=r"no room left \(No space left on device\); free some disk space"):
            run(resume)
        whole_or_absent(contents(disk.folder / "out"), expected, growing)
    disk.resize(4 * size)
    run(True)
    assert contents(disk.folder / "out") == expected


def test_a_dataset_on_a_disk_that_fills_up(dataset_run: Run, disk: Disk) -> None:
    def run(resume: bool) -> None:
        run_dataset(replace(dataset_run, save_dir=disk.folder / "out", resume=resume))

    fill_and_resume(run, dataset_run.save_dir, disk)


def inputs(model: VISModel, videos: Path, save: Path, resume: bool = False) -> None:
    options = RunOptions(formats=FORMATS, key_num=1, show_thr=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmdet_vis.run.options.load_model", lambda *_, **__: model)
        run_files(Run(model.config, Path(__file__), options, "cpu", save_dir=save, resume=resume), videos)


def test_videos_on_a_disk_that_fills_up(model: VISModel, tmp_path: Path, disk: Disk) -> None:
    for name in ("a", "b", "c"):
        write_frames(tmp_path / "in" / name, 2)
    inputs(model, tmp_path / "in", tmp_path / "whole")

    def run(resume: bool) -> None:
        inputs(model, tmp_path / "in", disk.folder / "out", resume)

    fill_and_resume(run, tmp_path / "whole", disk, ("results.json",))


def stream(model: VISModel, video: Path, save: Path) -> StreamSummary:
    options = RunOptions(key_num=1, show_thr=0.0)
    places = stream_places("clip", str(video), save, ("json", "video"), overwrite=True)
    with StreamReader(str(video)) as reader:
        return run_stream(model, reader, places, 4, 1, options, lambda: False)


def test_a_stream_on_a_disk_that_fills_up_keeps_what_was_written(model: VISModel, tmp_path: Path, disk: Disk) -> None:
    video = write_frames(tmp_path / "clip", 12)
    assert stream(model, video, tmp_path / "whole").frames == 12
    disk.resize(int(0.6 * room_for(tmp_path / "whole")))
    with pytest.raises(OutputError, match="No space left on device; what came before is kept"):
        stream(model, video, disk.folder / "out")
    lines = (disk.folder / "out" / "clip.jsonl").read_bytes()
    assert (tmp_path / "whole" / "clip.jsonl").read_bytes().startswith(lines)
    assert lines.endswith(b"\n")
    with av.open(str(disk.folder / "out" / "clip.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert 0 < frames <= 12


def test_a_video_is_whole_or_not_there(disk: Disk) -> None:
    """FFmpeg notices a full disk at some of its writes only; the index is moved to the front at the end."""
    frames = np.random.default_rng(0).integers(0, 255, (6, 64, 96, 3), dtype=np.uint8)
    outcomes = []
    for size in range(8 * 1024, 256 * 1024, 24 * 1024):
        disk.resize(size)
        problem = write_video(disk.folder / "a.mp4", frames)
        if problem:
            assert "no room left" in problem
            assert list(disk.folder.iterdir()) == []
        else:
            with av.open(str(disk.folder / "a.mp4")) as container:
                assert sum(1 for _ in container.decode(video=0)) == 6
            (disk.folder / "a.mp4").unlink()
        outcomes.append(not problem)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


def write_video(path: Path, frames: np.ndarray) -> str:
    """Write a video; returns why it could not be written."""
    try:
        with VideoWriter(path, 10, frames.shape[1:3]) as writer:
            for frame in frames:
                writer.write(frame)
    except OutputError as error:
        return str(error)
    return ""


def test_a_read_only_disk_is_named_before_the_work(dataset_run: Run, model: VISModel, disk: Disk) -> None:
    disk.make_read_only()
    out = disk.folder / "out"
    with pytest.raises(OutputError, match=rf"cannot write {out}: Read-only file system; choose another folder"):
        run_dataset(replace(dataset_run, save_dir=out))
    with pytest.raises(OutputError, match="Read-only file system"):
        inputs(model, Path(str(dataset_run.config.filename)), out)
    with pytest.raises(OutputError, match="Read-only file system"):
        stream(model, Path(str(dataset_run.config.filename)), out)
    assert list(disk.folder.iterdir()) == []


@pytest.mark.slow
def test_training_on_a_disk_that_fills_up(repository: Path, tmp_path: Path, disk: Disk) -> None:
    config = write_training(tmp_path, repository)
    done = train(repository, config, "--work-dir", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    one_state = (tmp_path / "whole" / "iter_2.pth").stat().st_size
    disk.resize(int(1.5 * one_state))
    work_dir = disk.folder / "run"
    done = train(repository, config, "--work-dir", work_dir)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: cannot write ")
    assert "Traceback" not in done.stderr
    assert [path.name for path in work_dir.glob("*.pth")] == ["iter_2.pth"]
    assert not list(work_dir.rglob(".tmp-*"))
    assert last_iteration(work_dir) == 2
    disk.resize(20 * one_state)
    done = train(repository, config, "--work-dir", work_dir, "--resume")
    assert done.returncode == 0, done.stderr
    found, expected = weights(work_dir, 6), weights(tmp_path / "whole", 6)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        connections: list[object] = []  # kept, or they would be closed
        threading.Thread(target=lambda: connections.append(server.accept()), daemon=True).start()
        start = time.monotonic()
        with (
            pytest.raises(SourceError, match=r"nothing came for 0\.5 s; check that it sends"),
            StreamReader(address, 0.5),
        ):
            pass
        assert time.monotonic() - start < 10


def test_a_pipe_that_nobody_writes_to_is_no_frame(dataset_run: Run, tmp_path: Path) -> None:
    """Opening it would wait for ever: refused where a stream is named, passed over in folders, an error in datasets."""
    pipe = tmp_path / "in" / "clip.mkv"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match="is neither a file nor a folder; to read a pipe make it standard input, -"):
        StreamReader(str(pipe))
    with pytest.raises(SourceError, match="holds no input"):
        find_inputs(pipe.parent)
    data = write_ytvis(tmp_path / "data", "valid.json", "frames", VIDEOS)
    frame = data / "frames" / "video1" / "00001.png"
    frame.unlink()
    os.mkfifo(frame)
    run = replace(
        dataset_run,
        save_dir=tmp_path / "out",
        config=load_config(str(dataset_run.config.filename), {"test.dataset.data_root": str(data)}),
    )
    outcome: list[object] = []

    def work() -> None:
        try:
            outcome.append(run_dataset(run))
        except DatasetError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    assert outcome, "it waits for ever"
    assert outcome[0] == 3 or str(frame) in str(outcome[0])


def test_a_clock_that_is_set_back_changes_no_time(
    dataset_run: Run,
    model: VISModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = itertools.count(2_000_000_000, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    assert run_dataset(replace(dataset_run, save_dir=tmp_path / "dataset")) == 0
    this_run = json.loads((tmp_path / "dataset" / "summary.json").read_text())["this_run"]
    assert 0 < this_run["seconds"] < 600
    assert this_run["frames_per_second"] > 0
    video = write_frames(tmp_path / "in" / "clip", 2)
    inputs(model, video.parent, tmp_path / "out")
    (seconds,) = map(float, re.findall(r"this run: 1 video, 2 frames in (\S+) s", capsys.readouterr().out))
    assert 0 <= seconds < 600  # it is rounded
    assert 0 < stream(model, video, tmp_path / "stream").seconds < 600


def test_elapsed_times_come_from_clocks_that_nobody_sets(repository: Path) -> None:
    found = set()
    for path in (*(repository / "mmdet_vis").rglob("*.py"), *(repository / "tools").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "time" and isinstance(node.value, ast.Name):
                found |= {path.relative_to(repository).as_posix()} if node.value.id == "time" else set()
    # Ages of files, whose dates are those of the wall clock.
    assert found == {"mmdet_vis/webui/projects.py", "mmdet_vis/webui/workspace.py"}
