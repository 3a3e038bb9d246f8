import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.davis.best_match import frame_ious, read_masks, score_clip
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from tests import programs
from tests.tiny import moving_frames

ROOT = Path(__file__).resolve().parents[3]


def boxes(lefts, width=4):
    masks = np.zeros((len(lefts), 10, 20), np.uint8)
    for mask, left in zip(masks, lefts, strict=True):
        if left is not None:
            mask[2:6, left : left + width] = 1
    return masks


def sequence(lefts, score, width=4):
    return InstanceSequence(1, 0, score, np.array([score]), encode_masks(boxes(lefts, width)))


def result_of(*sequences):
    return VideoResult("clip", 10, 20, 3, list(sequences), ("thing",), (1,), ["0", "1", "2"], None)


def test_iou_of_each_frame():
    truth = encode_masks(boxes([0, 4, None]))
    assert frame_ious(sequence([0, 6, None], 0.5), truth).tolist() == pytest.approx([1, 1 / 3, 1])
    assert frame_ious(sequence([0, 4, 8], 0.5), truth).tolist() == [1, 1, 0]


def test_the_best_sequence_counts_whatever_its_score():
    result = result_of(sequence([10, 10, 10], 0.9), sequence([0, 4, 10], 0.1), sequence([0, 4, 8], 0.05, width=2))
    score = score_clip(result, boxes([0, 4, 8]), seconds=1.5)
    assert (score.rank, score.score, score.sequences, score.frames_per_second) == (2, 0.1, 3, 2.0)
    assert score.j == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert score.worst == pytest.approx(1 / 3)


def test_no_sequence_is_zero():
    assert score_clip(result_of(), boxes([0, 4, 8]), seconds=1.0).j == 0


def test_a_missing_annotation(tmp_path):
    with pytest.raises(DatasetError, match=r"00001\.png is missing or damaged"):
        read_masks(tmp_path, ["00001.jpg"])


def test_the_command(tiny, tmp_path):
    frames = moving_frames(4)
    for folder in ("JPEGImages/a", "Annotations/a"):
        (tmp_path / folder).mkdir(parents=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"JPEGImages/a/{index:05d}.jpg"), frame)
        cv2.imwrite(str(tmp_path / f"Annotations/a/{index:05d}.png"), np.full(frame.shape[:2], 255, np.uint8))
    command = [sys.executable, "benchmarks/best_match.py", tmp_path, "--config", tiny[0], "--checkpoint", tiny[1]]
    done = programs.run(
        [*map(str, command), "--sheet", str(tmp_path / "sheet.png")],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| a |"))
    assert 0 < float(row.split("|")[2]) <= 100
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 4 * 320
