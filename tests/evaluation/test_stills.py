"""Annotated stills: classes in groups, what is drawn in vain, and the command on a tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mmdet_vis.data.datasets import YTVISDataset
from mmdet_vis.errors import ConfigError
from mmdet_vis.evaluation.stills import membership, on_objects, regroup, report
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from tests import programs
from tests.clip_cases import rectangle_mask, track, write_videos

CLASSES = ("person", "dog", "cat", "cup")
MAP = {"person": ["person"], "animal": ["dog", "cat"], "other": ["*"]}


def test_classes_in_groups() -> None:
    assert membership(CLASSES, list(MAP), MAP).nonzero()[1].tolist() == [0, 1, 1, 2]
    assert membership(CLASSES, CLASSES, None).nonzero()[1].tolist() == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="'dog' of the model is none of person"):
        membership(CLASSES, ["person"], None)


@pytest.fixture
def dataset(tmp_path: Path) -> YTVISDataset:
    """A still with a person and a dog."""
    objects = [track(1, 1, [(10, 10, 20, 20)]), track(1, 2, [(60, 10, 20, 30)])]
    root = write_videos(tmp_path, {1: objects})
    content = json.loads((root / "train.json").read_text())
    content["categories"] = [{"id": number, "name": name} for number, name in enumerate(MAP, 1)]
    (root / "train.json").write_text(json.dumps(content))
    return YTVISDataset("train.json", "frames", list(MAP), data_root=root)


def test_scores_of_a_group_are_sums_and_hits_are_by_masks(dataset: YTVISDataset) -> None:
    boxes = [(10, 10, 20, 20), (60, 10, 20, 30), (10, 12, 20, 20), (30, 40, 10, 10)]
    scores = [(0.7, 0.1, 0.1, 0.0), (0.45, 0.3, 0.2, 0.0), (0.1, 0.2, 0.15, 0.0), (0.0, 0.0, 0.0, 0.55)]
    sequences = [
        InstanceSequence(i, 0, 0.0, np.array(score, np.float32), encode_masks(rectangle_mask(box)[None]))
        for i, (box, score) in enumerate(zip(boxes, scores, strict=True), 1)
    ]
    result = VideoResult("1", 60, 96, 1, sequences, CLASSES, (1, 2, 3, 4), ["0"], None)
    result = regroup(result, membership(CLASSES, list(MAP), MAP), dataset)
    assert [(s.label, round(s.score, 3)) for s in result.sequences] == [(0, 0.7), (1, 0.5), (1, 0.35), (2, 0.55)]
    rows = on_objects([result], dataset, json.loads(Path(dataset.ann_file).read_text()))
    # On the person, on the dog, on the person under another name, on nothing.
    assert rows[:, 1:].tolist() == [[1, 1], [1, 1], [1, 0], [0, 0]]
    text = report(rows, rows[:, 0] >= 0.4, "from 0.4 on")
    assert "drawn from 0.4 on: 3 sequences, 33.3 % of them on no annotated object" in text
    assert "| 0.5 to 0.6 | 2 | 0.53 | 0.50 |" in text


def test_the_command(repository: Path, tmp_path: Path, tiny: tuple[Path, Path]) -> None:
    config, checkpoint = tiny
    root = write_videos(tmp_path, {1: [track(1, 3, [(10, 10, 20, 20)])], 2: [track(2, 12, [(5, 5, 30, 30)])]})
    (tmp_path / "groups.py").write_text('categories = ["dog", "cat"]\ncategory_map = {"dog": ["*"], "cat": ["cat"]}\n')
    command = [sys.executable, repository / "benchmarks/stills.py", root / "train.json", root / "frames"]
    done = programs.run(
        [*command, "--config", config, "--checkpoint", checkpoint, "--drawn", "0", "--groups", tmp_path / "groups.py"],
        capture_output=True, text=True, cwd=repository,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "AP50" in done.stdout
    assert "drawn from 0 on:" in done.stdout
