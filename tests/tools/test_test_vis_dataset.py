"""The command line tool on a dataset: killed and resumed, shared among processes, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny import write_checkpoint
from tests.tiny_dataset import write_dataset_config, write_davis, write_ytvis
from tests.tool_runs import TWO_PROCESSES, Tool, files_of, videos_done, wait_for

# Long enough that a kill after a video finds the run still busy with the others.
VIDEOS = {1001: 12, 7: 9, 42: 14, 300: 12, 5: 10, 6: 12}


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


def kill_twice_and_resume(tool: Tool, save: Path, launcher: tuple[str, ...] = ()) -> None:
    """Kill a run after its first video and again after another one, and let it end."""
    tool.run_and_kill(save, lambda: videos_done(save) >= 1, launcher=launcher)
    kept = {path: path.stat().st_mtime_ns for path in save.glob("videos/[!.]*.json")}
    tool.run_and_kill(save, lambda: videos_done(save) > len(kept), "--resume", launcher=launcher)
    code, out, err = tool.run(save, "--resume", launcher=launcher)
    assert code == 0, err
    assert "6 of 6 videos done" in out
    assert "this run: 6 videos" not in out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "done once"
    assert not list(save.rglob(".tmp-*"))
    assert not list(save.glob(".lock*"))


RESULTS = ("results.json", "submission.zip", "videos/*", "png/*/*")


def test_killed_twice_and_resumed_gives_the_same_bytes(tool: Tool, whole: Path, tmp_path: Path) -> None:
    kill_twice_and_resume(tool, tmp_path / "out")
    assert files_of(tmp_path / "out", *RESULTS) == files_of(whole, *RESULTS)


@pytest.mark.slow
def test_two_processes_killed_twice_and_resumed_give_the_same_bytes(tool: Tool, whole: Path, tmp_path: Path) -> None:
    kill_twice_and_resume(tool, tmp_path / "out", TWO_PROCESSES)
    assert files_of(tmp_path / "out", *RESULTS) == files_of(whole, *RESULTS)


@pytest.mark.slow
def test_davis_with_two_processes_killed_twice_and_resumed_gives_the_same_pngs(
    repository: Path, tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    root = write_davis(tmp_path / "DAVIS", (10, 12, 9, 14, 12, 10))
    config = tmp_path / "davis.py"
    model = "model = dict(bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2))"
    dataset = f"dict(_delete_=True, type='DAVISDataset', root={str(root)!r})"
    config.write_text(
        f"_base_ = {str(tiny[0])!r}\ncategories = 'davis_uvos'\n{model}\ntest = dict(dataset={dataset})\n"
    )
    tool = Tool(repository, config, write_checkpoint(config, tmp_path / "davis.safetensors"))
    code, _, err = tool.run(tmp_path / "whole")
    assert code == 0, err
    expected = files_of(tmp_path / "whole", *RESULTS)
    assert sum(name.startswith("png/") for name in expected) == 67
    kill_twice_and_resume(tool, tmp_path / "out", TWO_PROCESSES)
    assert files_of(tmp_path / "out", *RESULTS) == expected


AND_THREADS = """
import os, runpy, sys
from pathlib import Path
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
    Path(__file__).with_name(f"threads{os.environ['RANK']}").write_text(" ".join(names))
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(tool: Tool, whole: Path, tmp_path: Path) -> None:
    (tmp_path / "and_threads.py").write_text(AND_THREADS)
    code, out, err = tool.run(tmp_path / "out", launcher=(*TWO_PROCESSES, str(tmp_path / "and_threads.py")))
    assert code == 0, err
    assert out.count("videos done") == 1, "one process speaks"
    assert "2 processes" in out
    assert files_of(tmp_path / "out", *RESULTS) == files_of(whole, *RESULTS)
    for rank in (0, 1):
        # Threads of the group that outlive it may abort the process while it ends.
        assert "gloo" not in (tmp_path / f"threads{rank}").read_text()


def test_a_second_run_into_the_same_folder_is_refused(tool: Tool, whole: Path, tmp_path: Path) -> None:
    save = tmp_path / "out"
    first = tool.start(save)
    wait_for(first, (save / "run.json").exists)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        before = files_of(save, "**/*.json")
        code, out, err = tool.run(save, "--resume")
        assert (code, out) == (2, "")
        assert err == (
            f"error: {save} is in use by another run (process {first.pid} on {os.uname().nodename}): wait until it "
            "has ended, or use another folder\n"
        )
        assert files_of(save, "**/*.json") == before
    finally:
        os.kill(first.pid, signal.SIGCONT)
    _, err = first.communicate(timeout=300)
    assert first.returncode == 0, err
    assert files_of(save, *RESULTS) == files_of(whole, *RESULTS)
    assert not list(save.glob(".lock*"))


def test_refusal_is_one_line_and_exit_code_2(tool: Tool, whole: Path) -> None:
    code, _, err = tool.run(whole, "--resume", "--mem-step", "3")
    assert code == 2
    (line,) = err.strip().splitlines()
    assert line.startswith("error: cannot resume: ")
    assert "options.mem_step (null before, 3 now)" in line


def test_number_of_threads(tool: Tool, whole: Path) -> None:
    """A run goes on only with as many threads as it began with."""
    code, _, err = tool.run(whole, "--resume", "--threads", "7")
    assert code == 2
    assert f"options.threads ({torch.get_num_threads()} before, 7 now)" in err


THREADS = """
from mmdet_vis.commands.arguments import undo_launcher_threads
undo_launcher_threads()
import torch
print(torch.get_num_threads())
"""


@pytest.mark.slow
def test_the_number_of_threads_does_not_depend_on_that_of_processes(tmp_path: Path) -> None:
    """OMP_NUM_THREADS counts, but for torchrun's own."""
    program = tmp_path / "program.py"
    program.write_text(THREADS)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    alone, two = (
        subprocess.run([sys.executable, *launcher, program], env=environment, stdout=subprocess.PIPE, text=True)
        for launcher in ((), TWO_PROCESSES)
    )
    assert two.stdout.split() == [alone.stdout.strip()] * 2


def test_options_of_the_wrong_mode(tool: Tool, tmp_path: Path) -> None:
    for options, words in (
        (["--input-dir", ".", "--overwrite"], "--overwrite is for runs over a dataset"),
        (["--resume", "--overwrite"], "not allowed with"),
        (["--threads", "0"], "'0': use a whole number"),
    ):
        code, _, err = tool.run(tmp_path / "out", *options)
        assert code == 2
        assert words in err
