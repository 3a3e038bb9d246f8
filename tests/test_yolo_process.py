"""The other side of benchmarks/yolo.py, with a stand-in for the package that it measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

STAND_IN = """
__version__ = "0.0"

class YOLO:
    def __init__(self, name, verbose):
        assert name == "yolo11n-seg.yaml"

    def predict(self, frame, imgsz, device, verbose):
        assert frame.shape == (8, 12, 3) and imgsz == 640 and device == "cpu"
"""


def test_a_line_of_seconds_for_each_line(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "ultralytics.py").write_text(STAND_IN)
    np.save(tmp_path / "frames.npy", np.zeros((3, 8, 12, 3), np.uint8))
    done = subprocess.run(
        [sys.executable, repository / "benchmarks/yolo_process.py", tmp_path / "frames.npy", "640", "1"],
        input="run\nrun\n", capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    version, *seconds = done.stdout.splitlines()
    assert version.startswith("ultralytics 0.0, torch ")
    assert [0 <= float(line) < 60 for line in seconds] == [True, True]
