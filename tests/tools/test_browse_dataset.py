"""tools/browse_dataset.py as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.config.load import load_config
from mmdet_vis.data.clips import build_loader
from mmdet_vis.data.clips.pictures import draw_clips
from mmdet_vis.errors import ConfigError
from mmdet_vis.training.setup import build_training_dataset, clips_per_step
from tests import programs
from tests.clip_cases import moving, track, write_videos


def run(repository: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "tools" / "browse_dataset.py"), *map(str, arguments)]
    return programs.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


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
    words = r"config\.py: train\.dataset is a YTVISDataset, which is not for training; use YTVISClips"
    with pytest.raises(ConfigError, match=words):
        build_training_dataset(load_config(config, {"train.dataset.type": "YTVISDataset"}))


def test_samples_are_those_of_training(repository: Path, config: Path, tmp_path: Path) -> None:
    root = tmp_path / "five"
    write_videos(root, {v: [track(v, 3, moving(5 * v, 8, 20, 15, 4))] for v in range(1, 6)})
    options = {"train.dataset.data_root": str(root), "train.batch_size": 2, "train.accumulate": 2}
    line = [f"{key}={value}" for key, value in options.items()]
    done = run(repository, config, "--out", tmp_path / "out", "--num", "6", "--seed", "3", "--cfg-options", *line)
    assert done.returncode == 0, done.stderr
    content = load_config(config, options)
    dataset = build_training_dataset(content)
    assert clips_per_step(content) == 4

    def picture(batch_size: int) -> np.ndarray:
        loader = build_loader(dataset, batch_size, num_workers=0, seed=3)
        return draw_clips(list(islice(chain.from_iterable(loader), 6)), dataset.categories)

    found = cv2.imread(str(tmp_path / "out" / "samples_000.png"))
    assert np.array_equal(found, picture(4))
    assert not np.array_equal(found, picture(1))  # single samples have another order


def test_wrong_batch_size_is_named(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.py: train\.batch_size=0 must be a whole number from 1 on"):
        clips_per_step(load_config(config, {"train.batch_size": 0}))


def test_errors_are_one_line(repository: Path, config: Path, tmp_path: Path) -> None:
    done = run(repository, config, "--out", tmp_path / "out", "--cfg-options", "train.dataset.ann_file=no.json")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'no.json'} does not exist: check the path\n"
    assert not (tmp_path / "out").exists()
