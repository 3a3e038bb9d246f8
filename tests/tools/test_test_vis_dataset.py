"""The command line tool on a dataset: killed and resumed, shared among processes, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tiny_dataset import write_dataset_config, write_ytvis

# Long enough that a kill after a video finds the run still busy with the others.
VIDEOS = {1001: 12, 7: 9, 42: 14, 300: 12, 5: 10, 6: 12}


class Tool:
    """The tool on one dataset."""

    def __init__(self, repository: Path, config: Path, checkpoint: Path) -> None:
        self.arguments = [str(repository / "tools" / "test_vis.py"), str(config), str(checkpoint), "--device", "cpu"]
        # The tests share the machine: waiting threads should not take its cores.
        self.environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        # Left to torchrun, which then sets it: that must not show in the results.
        self.environment.pop("OMP_NUM_THREADS", None)

    def start(self, save: Path, *options: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [sys.executable, *launcher, *self.arguments, "--save-dir", str(save), *options]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, save: Path, *options: str, launcher: tuple[str, ...] = ()) -> tuple[int, str, str]:
        process = self.start(save, *options, launcher=launcher)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def run_and_kill(self, save: Path, finished: int, *options: str) -> None:
        """Start, and kill as soon as so many videos are done."""
        process = self.start(save, *options)
        while len(list(save.glob("videos/*.json"))) < finished:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (save / "results.json").exists()


@pytest.fixture(scope="module")
def tool(repository: Path, tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Tool:
    folder = tmp_path_factory.mktemp("dataset")
    write_ytvis(folder / "data", "valid.json", "frames", VIDEOS)
    return Tool(repository, write_dataset_config(folder / "dataset.py", tiny[0], folder / "data"), tiny[1])


@pytest.fixture(scope="module")
def whole(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an uninterrupted run."""
    save = tmp_path_factory.mktemp("whole") / "out"
    code, out, err = tool.run(save)
    assert code == 0, err
    assert "6 of 6 videos done, 69 frames" in out
    assert len(json.loads((save / "results.json").read_text())) > 6
    return save


def test_killed_twice_and_resumed_gives_the_same_bytes(tool: Tool, whole: Path, tmp_path: Path) -> None:
    save = tmp_path / "out"
    tool.run_and_kill(save, 1)
    kept = {path: path.stat().st_mtime_ns for path in save.glob("videos/*.json")}
    tool.run_and_kill(save, len(kept) + 1, "--resume")
    code, out, err = tool.run(save, "--resume")
    assert code == 0, err
    assert "6 of 6 videos done" in out
    assert "this run: 6 videos" not in out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "done once"
    for name in ("results.json", "submission.zip"):
        assert (save / name).read_bytes() == (whole / name).read_bytes()
    assert not list(save.rglob(".tmp-*"))


def test_two_processes_give_the_same_bytes_as_one(tool: Tool, whole: Path, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    code, out, err = tool.run(tmp_path / "out", launcher=launcher)
    assert code == 0, err
    assert out.count("videos done") == 1, "one process speaks"
    assert "2 processes" in out
    for name in ("results.json", "submission.zip"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()


def test_refusal_is_one_line_and_exit_code_2(tool: Tool, whole: Path) -> None:
    code, _, err = tool.run(whole, "--resume", "--mem-step", "3")
    assert code == 2
    (line,) = err.strip().splitlines()
    assert line.startswith("error: cannot resume: ")
    assert "options.mem_step (null before, 3 now)" in line


def test_number_of_threads(tool: Tool, whole: Path) -> None:
    """OMP_NUM_THREADS counts but for torchrun's own, and a run goes on only with as many as it began with."""
    threads = json.loads((whole / "run.json").read_text())["options"]["threads"]
    if threads == 1:
        pytest.skip("needs a machine where PyTorch takes more than one thread")
    tool.environment["OMP_NUM_THREADS"] = "1"
    code, _, err = tool.run(whole, "--resume")
    del tool.environment["OMP_NUM_THREADS"]
    assert code == 2
    assert f"options.threads ({threads} before, 1 now)" in err


def test_options_of_the_wrong_mode(tool: Tool, tmp_path: Path) -> None:
    for options, words in (
        (["--input-dir", ".", "--resume"], "--resume is for runs over a dataset"),
        (["--resume", "--overwrite"], "not allowed with"),
        (["--threads", "0"], "'0': use a whole number"),
    ):
        code, _, err = tool.run(tmp_path / "out", *options)
        assert code == 2
        assert words in err
