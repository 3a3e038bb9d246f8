"""The benchmarks of speed, scaling and loading name wrong arguments in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import programs


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("speed.py --checkpoint nope.pth --frames 2 --size 64x64", "error: checkpoint nope.pth does not exist"),
        ("speed.py --clip nope.mp4 --frames 2", "error: nope.mp4: no such file or folder"),
        ("speed.py --frames 0", "argument --frames: '0': use a whole number of at least 1"),
        ("equivalence.py nope.mp4 nope.pth --frames 0", "argument --frames: '0': use a whole number of at least 1"),
        ("speed.py --size 0x64", "argument --size: '0x64': use sides from 1 to"),
        ("runtimes.py nope.mp4", "error: nope.mp4: no such file or folder"),
        ("loader.py nope.py", "error: config "),
        ("loader.py nope.py --workers -1", "argument --workers: -1: use whole numbers from 0 on"),
        ("scaling.py --config nope.py", "error: config "),
        ("scaling.py --side 5", "argument --side: '5': use a whole number from 18 to"),
        ("scaling.py --axes frames --most-frames 1", "--most-frames 1 leaves nothing of --axes frames"),
    ],
)
def test_wrong_arguments_are_one_line(repository: Path, tmp_path: Path, line: str, message: str) -> None:
    name, *arguments = line.split()
    if name == "scaling.py":
        arguments += ["--out", str(tmp_path / "scaling.png")]
    if name not in ("loader.py", "runtimes.py"):
        arguments += ["--device", "cpu"]
    done = programs.run(
        [sys.executable, str(repository / "benchmarks" / name), *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert message in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
