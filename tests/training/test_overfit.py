"""Two videos learnt by heart: the check that losses, targets and inference agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_training import train

CONFIG = "configs/SynthVIS/seq_mask_rcnn_resnet10t_overfit.py"


@pytest.mark.slow
def test_two_videos_are_learnt_by_heart(repository: Path, tmp_path: Path) -> None:
    data = tmp_path / "SynthVIS"
    make = [sys.executable, "-m", "mmdet_vis.data.synthvis", str(data), "--train", "1", "--val", "2", "--frames", "10"]
    make += ["--size", "384x216", "--difficulty", "easy"]
    subprocess.run(make, check=True, capture_output=True, cwd=repository)
    roots = [f"{part}.dataset.data_root={tmp_path}" for part in ("train", "test")]
    done = train(
        repository, repository / CONFIG, "--work-dir", tmp_path / "work", "--cfg-options", *roots, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    log = next((tmp_path / "work").glob("*/*.log")).read_text()
    found = [float(x) for x in re.findall(r"\bAP: (-?[\d.]+)", log)]
    print(f"AP {found[-1]}")
    assert found[-1] >= 95
