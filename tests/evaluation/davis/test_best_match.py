import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.davis.best_match import best_union, mask_ious, read_masks, score_clip
from mmdet_vis.evaluation.resampling import intervals
from mmdet_vis.evaluation.weighted import WeightedMeans
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from tests import programs, tool_runs
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
    assert mask_ious(sequence([0, 6, None], 0.5).masks, truth).tolist() == pytest.approx([1, 1 / 3, 1])
    assert mask_ious(sequence([0, 4, 8], 0.5).masks, truth).tolist() == [1, 1, 0]


def test_the_best_sequence_counts_whatever_its_score():
    result = result_of(sequence([10, 10, 10], 0.9), sequence([0, 4, 10], 0.1), sequence([0, 4, 8], 0.05, width=2))
    score = score_clip(result, boxes([0, 4, 8]), seconds=1.5)
    assert (score.rank, score.score, score.sequences, score.frames_per_second) == (2, 0.1, 3, 2.0)
    assert score.j == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert score.worst == pytest.approx(1 / 3)


def test_parts_together():
    truth = encode_masks(boxes([0, 4, 8], width=6))
    thirds = [sequence([start + at for start in (0, 4, 8)], 0.5, width=2) for at in (0, 2, 4)]
    wrong = sequence([14, 14, 14], 0.9)
    assert best_union([wrong, *thirds], truth) == 1
    assert best_union([wrong, *thirds], truth, most=2) == pytest.approx(2 / 3)
    assert best_union([wrong], truth) == 0
    score = score_clip(result_of(wrong, *thirds), boxes([0, 4, 8], width=6), seconds=1)
    assert (score.j, score.union) == (pytest.approx(1 / 3), 1)


def test_intervals_over_clips():
    empty = score_clip(result_of(), boxes([0, 4, 8]), seconds=1)
    scores = [empty._replace(j=j, union=1.0, worst=0.5) for j in (0.5, 0.7, 0.9)]
    found = intervals(WeightedMeans.of_clips(scores))
    low, high = found["J"]
    assert 0.5 <= low < 0.7 < high <= 0.9
    assert found["best union"] == (1, 1)


def test_no_sequence_is_zero():
    assert score_clip(result_of(), boxes([0, 4, 8]), seconds=1.0).j == 0


def test_a_missing_annotation(tmp_path):
    with pytest.raises(DatasetError, match=r"00001\.png does not exist"):
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
        [*map(str, command), "--sheet", str(tmp_path / "sheet.png"), "--profile", "exact", "fast"],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| a |")]
    assert len(rows) == 2
    assert all(0 < float(row[2]) <= float(row[4]) <= 100 for row in rows)
    assert "fast beside exact:" in done.stdout
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 4 * 320


def test_the_benchmarks_of_corrections_and_confidence(tiny, tmp_path, monkeypatch, capsys):
    frames = moving_frames(5)
    for folder in ("JPEGImages/a", "Annotations/a"):
        (tmp_path / folder).mkdir(parents=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"JPEGImages/a/{index:05d}.png"), frame)
        mask = np.zeros(frame.shape[:2], np.uint8)
        mask[15:41, 5 + 2 * index : 26 + 2 * index] = 255
        cv2.imwrite(str(tmp_path / f"Annotations/a/{index:05d}.png"), mask)
    model = ("--config", tiny[0], "--checkpoint", tiny[1])
    tool_runs.run_benchmark(monkeypatch, "corrections.py", tmp_path, *model)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    clip = next(row for row in rows if row[0] == "a")
    after = [float(value) for value in clip[2:7]]
    assert after[-1] == 100, "every frame of the clip was corrected"
    assert after[1] > after[0]
    assert float(clip[-3]) > float(clip[-2]) > 0
    tool_runs.run_benchmark(monkeypatch, "confidence.py", tmp_path, *model, "--profile", "exact")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("5 frames of 1 clips")
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| agreement")] == [
        "agreement, class, sharpness", "agreement, sharpness", "agreement, class", "agreement"
    ]  # fmt: skip
