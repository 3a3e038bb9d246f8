"""``python -m mmdet_vis.data.synthvis`` as a user runs it, interrupts it and kills it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests import programs

COMMAND = [sys.executable, "-m", "mmdet_vis.data.synthvis"]
FAST = ["--train", "1", "--val", "1", "--frames", "3", "--size", "96x64", "--difficulty", "easy"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return programs.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def start_endless(out: Path) -> subprocess.Popen[str]:
    """A run that would take hours, once its first frames are on disk."""
    arguments = ["--train", "100000", "--frames", "4", "--size", "64x64", "--workers", "2"]
    process = programs.Popen(
        [*COMMAND, str(out), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 50
    while not list(out.parent.glob(f"{out.name}.partial/train/JPEGImages/*/00000.jpg")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_makes_a_dataset_and_a_preview_then_has_nothing_to_do(tmp_path: Path) -> None:
    out, sheet = tmp_path / "deep" / "set", tmp_path / "sheet.png"
    done = run(out, *FAST, "--workers", "2", "--preview", sheet)
    assert done.returncode == 0, done.stderr
    assert "train 1 video with" in done.stdout
    content = json.loads((out / "train" / "instances.json").read_text())
    assert content["videos"][0]["width"] == 96
    assert content["info"]["options"]["difficulty"] == "easy"
    assert cv2.imread(str(out / "val/JPEGImages" / "val_0000/00002.jpg")).shape == (64, 96, 3)
    assert cv2.imread(str(sheet)).shape[1] == 3 * (420 + 6)
    again = run(out, *FAST)
    assert again.returncode == 0
    assert "complete already" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "1"], "a video needs at least 2"),
        (["--size", "256"], "write WIDTHxHEIGHT"),
        (["--difficulty", "brutal"], "invalid choice"),
        (["--preview", "missing/sheet.png"], "folder does not exist"),
    ],
)
def test_bad_options_exit_with_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path / "set", *FAST, *arguments)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "error: " in last
    assert message in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    process = start_endless(tmp_path / "set")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "interrupted"
    assert list(tmp_path.iterdir()) == []


def test_killed_run_is_never_taken_for_complete_and_can_be_repeated(tmp_path: Path) -> None:
    process = start_endless(tmp_path / "set")
    process.kill()
    # The workers hold the other ends of these pipes: this returns only when they, too, have gone.
    process.communicate(timeout=30)
    assert not (tmp_path / "set").exists()
    assert (tmp_path / "set.partial").exists()
    done = run(tmp_path / "set", *FAST)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_death_of_a_worker_is_reported(tmp_path: Path) -> None:
    process = start_endless(tmp_path / "set")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.startswith("error: SynthVIS: a worker process ended early")
    assert len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
