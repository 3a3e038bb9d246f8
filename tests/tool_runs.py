"""Runs of programs: tools/test_vis.py over a dataset as processes that tests can kill, benchmarks in this one."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import programs

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
TWO_PROCESSES = ("-m", "mmdet_vis.run.launch", "--standalone", "--nproc_per_node", "2")


class Tool:
    """The tool on one dataset."""

    def __init__(self, repository: Path, config: Path, checkpoint: Path) -> None:
        self.arguments = [str(repository / "tools" / "test_vis.py"), str(config), str(checkpoint), "--device", "cpu"]
        # The tests share the machine: waiting threads should not take its cores.
        self.environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}

    def start(
        self, save: Path, *options: str, launcher: tuple[str, ...] = (), start: type = programs.Popen
    ) -> subprocess.Popen[str]:
        command = [sys.executable, *launcher, *self.arguments, "--save-dir", str(save), *options]
        return start(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, save: Path, *options: str, launcher: tuple[str, ...] = ()) -> tuple[int, str, str]:
        process = self.start(save, *options, launcher=launcher)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def run_and_kill(
        self, save: Path, moment: Callable[[], bool], *options: str, launcher: tuple[str, ...] = ()
    ) -> None:
        """Start, and kill all processes of the run as soon as ``moment`` has come."""
        # Forked ones would not be found by their parents.
        process = self.start(save, *options, launcher=launcher, start=subprocess.Popen if launcher else programs.Popen)
        wait_for(process, moment)
        for pid in family(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (save / "results.json").exists()


def wait_for(process: subprocess.Popen[str], moment: Callable[[], bool]) -> None:
    """Wait until ``moment`` has come, which must be before the process ends."""
    while not moment():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def videos_done(save: Path) -> int:
    return len(list(save.glob("videos/[!.]*.json")))


def family(pid: int) -> list[int]:
    """A process and its descendants, parents first; torchrun gives each of its processes a session of its own."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents if its_parent == parent]
    return found


def files_of(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Contents of the files of a folder by their path in it."""
    files = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run_benchmark(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    """Run a benchmark's script with these arguments in this process, which has imported what it needs."""
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / name), *map(str, arguments)])
    runpy.run_path(str(BENCHMARKS / name))["main"]()
