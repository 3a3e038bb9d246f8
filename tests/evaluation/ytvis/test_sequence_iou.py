"""Sequence IoU on encodings, against decoded masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mmdet_vis.data.formats.ytvis import MaskSequence, Video, measure_masks
from mmdet_vis.evaluation.ytvis import sequence_iou
from mmdet_vis.structures import decode_masks, empty_rle
from mmdet_vis.structures.rle import InvalidMaskError, to_rle
from tests.ytvis_cases import HEIGHT, WIDTH, moving_rectangle, random_case, without_last_run


def read(sequences: list[list[Any]]) -> list[MaskSequence]:
    video = Video(1, "v", HEIGHT, WIDTH, len(sequences[0]))
    return measure_masks([[to_rle(mask, HEIGHT, WIDTH) for mask in masks] for masks in sequences], video)


def decoded(sequences: list[list[Any]]) -> np.ndarray:
    """``[N, T * H * W]`` bool."""
    return np.stack(
        [decode_masks([m or empty_rle(HEIGHT, WIDTH) for m in masks]).astype(bool).ravel() for masks in sequences]
    )


def plain_iou(predictions: list[list[Any]], truths: list[list[Any]]) -> np.ndarray:
    dt, gt = decoded(predictions)[:, None], decoded(truths)[None]
    union = (dt | gt).sum(axis=2)
    return np.where(union > 0, (dt & gt).sum(axis=2) / np.maximum(union, 1), 0.0)


@given(random_case())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_equals_decoded_masks(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    annotations, results = case
    predictions = [entry["segmentations"] for entry in results]
    truths = [entry["segmentations"] for entry in annotations["annotations"]]
    if not predictions or not truths:
        return
    expected = plain_iou(predictions, truths)
    dt, gt = read(predictions), read(truths)
    np.testing.assert_array_equal(sequence_iou(dt, gt), expected)
    for floor in (0.3, 0.75, np.linspace(0.2, 1.2, len(truths))):
        found = sequence_iou(dt, gt, floor)
        reached = expected >= floor
        np.testing.assert_array_equal(found[reached], expected[reached])
        assert np.all(found[~reached] <= expected[~reached])


def test_an_iou_that_is_the_floor_is_found() -> None:
    truth = moving_rectangle(10, 10, 40, 50, 20)
    for count in range(10, 20):
        prediction = [*truth[:count], *[None] * (20 - count)]
        found = sequence_iou(read([prediction]), read([truth]), np.array([count / 20]))
        assert found[0, 0] == count / 20


def test_none_at_all() -> None:
    some = read([moving_rectangle(10, 10, 40, 50, 2)])
    assert sequence_iou([], some).shape == (0, 1)
    assert sequence_iou(some, []).shape == (1, 0)
    assert sequence_iou(read([[None, None]]), read([[None, None]])).tolist() == [[0.0]]


def test_runs_that_would_hang_pycocotools_are_refused() -> None:
    masks = moving_rectangle(10, 10, 40, 50, 3)
    bad = [*masks[:2], without_last_run(masks[2])]
    with pytest.raises(InvalidMaskError, match="frame 2 that has runs of") as info:
        sequence_iou(read([masks, bad]), read([masks]))
    assert info.value.index == 1
