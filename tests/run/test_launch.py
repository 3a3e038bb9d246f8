"""The launcher: torchrun, but for exit codes and what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests import programs

PROGRAM = """
import os, signal, sys, time

from tests import programs
way = sys.argv[1]
if way == "wait":
    time.sleep(0.5)  # in which torchrun gets to know of it; a program that is not forked takes longer to start
    print("ready", flush=True)
    time.sleep(60)
if os.environ["RANK"] == "0":
    if way.isdigit():
        sys.exit(int(way))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(folder: Path, way: str, processes: int = 1) -> subprocess.Popen[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mmdet_vis.run.launch", "--standalone", "--nproc_per_node", str(processes)]
    return programs.Popen([*command, str(program), way], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_exit_code_is_that_of_the_program(tmp_path: Path) -> None:
    process = start(tmp_path, "3")
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 3


def test_a_killed_process_is_named(tmp_path: Path) -> None:
    process = start(tmp_path, "killed", 2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert err.splitlines()[-1] == "error: process 0 was ended by SIGKILL; the others were stopped"
    assert "Traceback" not in err


def test_a_signal_stops_all(tmp_path: Path) -> None:
    process = start(tmp_path, "wait")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert err == "stopped by SIGTERM\n"
