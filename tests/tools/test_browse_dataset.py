"""tools/browse_dataset.py as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from mmdet_vis.data.training import build_training_dataset
from mmdet_vis.engine.config import load_config
from mmdet_vis.errors import ConfigError
from tests.clip_cases import moving, track, write_videos


def run(repository: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "tools" / "browse_dataset.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    crowd = track(1, 3, moving(5, 45, 30, 10, 4), iscrowd=1)
    write_videos(tmp_path, {1: [track(1, 3, moving(10, 8, 20, 15, 4)), crowd]})
    dataset = {"type": "YTVISClips", "ann_file": "train.json", "img_prefix": "frames", "data_root": str(tmp_path)}
    pipeline = [{"type": "ClipFlip"}, {"type": "ClipColor"}]
    path = tmp_path / "config.py"
    path.write_text(f"train = dict(dataset={ {**dataset, 'pipeline': pipeline}!r})\n")
    return path


def test_pictures(repository: Path, config: Path, tmp_path: Path) -> None:
    done = run(
        repository, config, "--out", tmp_path / "out", "--num", "8", "--cfg-options", "train.dataset.num_frames=3"
    )
    assert done.returncode == 0, done.stderr
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in pictures] == ["samples_000.png", "samples_001.png"]
    assert done.stdout.splitlines() == [f"{pictures[0]}: 6 samples", f"{pictures[1]}: 2 samples"]
    tall, short = (cv2.imread(str(path)) for path in pictures)
    assert tall.shape[0] == 3 * short.shape[0]
    assert short.shape[1] > 3 * 420  # three frames side by side
    # The crowd is hatched: there are pure white lines in a picture of saturated objects and dark ground.
    frame = short[30:250, :420]
    assert (frame == 255).all(axis=-1).sum() > 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict()", "config.py: train.dataset must be a dict with a 'type'"),
        (
            "train = dict(dataset=dict(type='YTVISClip'))",
            "type='YTVISClip' is not registered as a dataset; did you mean 'YTVISClips'?",
        ),
        ("train = dict(dataset=dict(type='YTVISClips', ann='no.json'))", "config.py: train.dataset: "),
    ],
)
def test_faults_of_the_config_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.py"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_training_dataset(load_config(path))


def test_a_dataset_of_another_kind_is_refused(config: Path) -> None:
    options = {"train.dataset": {"_delete_": True, "type": "YTVISDataset", "ann_file": "train.json"}}
    options["train.dataset"] |= {"img_prefix": "frames", "data_root": str(config.parent)}
    with pytest.raises(ConfigError, match=r"config\.py: train\.dataset is a YTVISDataset; use YTVISClips"):
        build_training_dataset(load_config(config, options))


def test_errors_are_one_line(repository: Path, config: Path, tmp_path: Path) -> None:
    done = run(repository, config, "--out", tmp_path / "out", "--cfg-options", "train.dataset.ann_file=no.json")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'no.json'} does not exist: check the path\n"
    assert not (tmp_path / "out").exists()
