"""Assignment of boxes to objects, against overlaps that can be counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmdet_vis.losses.targets import BACKGROUND, IGNORED, SampleSettings, inside_share

ASSIGNER = SampleSettings(pos_iou_thr=0.5, neg_iou_thr=0.25, min_pos_iou=0.125)


def boxes(*rows: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def top_rows(count: int, left: float = 0) -> tuple[float, float, float, float]:
    """The top rows of a square of 8 x 8 pixels: an overlap of ``count / 8`` with it."""
    return (left, 0, left + 7, count - 1)


SQUARE = top_rows(8)


def test_thresholds_at_equality() -> None:
    """An object from pos_iou_thr on; background below neg_iou_thr, not at it; neither between."""
    found = ASSIGNER.assign(boxes(SQUARE, top_rows(4), top_rows(3), top_rows(2), top_rows(1)), boxes(SQUARE))
    assert found.tolist() == [1, 1, IGNORED, IGNORED, BACKGROUND]
    assert found.dtype == torch.int64


def test_published_thresholds_at_equality() -> None:
    """7/10 and 3/10 are no exact numbers, but they are the same inexact ones as 0.7 and 0.3."""
    assigner = SampleSettings(0.7, 0.3, 0.3)
    square = (0, 0, 9, 9)
    found = assigner.assign(boxes(square, (0, 0, 9, 6), (0, 0, 9, 5), (0, 0, 9, 2), (0, 0, 9, 1)), boxes(square))
    assert found.tolist() == [1, 1, IGNORED, IGNORED, BACKGROUND]


@pytest.mark.parametrize("rows", [3, 2, 1])
def test_best_box_of_an_object_belongs_to_it(rows: int) -> None:
    """Below pos_iou_thr (3/8), at neg_iou_thr (2/8) and at min_pos_iou (1/8)."""
    assert ASSIGNER.assign(boxes(top_rows(rows), (50, 50, 60, 60)), boxes(SQUARE)).tolist() == [1, BACKGROUND]


def test_best_box_below_min_pos_iou_is_background() -> None:
    assigner = SampleSettings(0.5, 0.25, 0.126)
    assert assigner.assign(boxes(top_rows(1)), boxes(SQUARE)).tolist() == [BACKGROUND]


def test_all_of_several_best_boxes_belong_to_the_object() -> None:
    """Upper and lower 3/8 of the object overlap it alike."""
    found = ASSIGNER.assign(boxes(top_rows(3), (0, 5, 7, 7), top_rows(2)), boxes(SQUARE))
    assert found.tolist() == [1, 1, IGNORED]


def test_a_box_belongs_to_the_object_that_it_overlaps_most() -> None:
    """The box shares 6 of its columns with the second object and 2 with the first."""
    found = ASSIGNER.assign(boxes(SQUARE, top_rows(8, left=8), top_rows(8, left=6)), boxes(SQUARE, top_rows(8, left=8)))
    assert found.tolist() == [1, 2, 2]


def test_of_equal_objects_the_first_has_a_good_box() -> None:
    """The box is two squares wide, its halves are the objects: 1/2 each, below min_pos_iou."""
    halves = boxes(SQUARE, top_rows(8, left=8))
    assert SampleSettings(0.5, 0.25, 0.75).assign(boxes((0, 0, 15, 7)), halves).tolist() == [1]


def test_an_anchor_that_is_best_for_several_objects_goes_to_the_last() -> None:
    """Objects of 4/8 and 3/8 of the only box: the first overlaps more, but the later one has no other."""
    assert ASSIGNER.assign(boxes(SQUARE), boxes(top_rows(4), top_rows(3))).tolist() == [2]
    assert ASSIGNER.assign(boxes(SQUARE), boxes(top_rows(3), top_rows(4))).tolist() == [2]


def test_an_objects_best_box_is_taken_from_another_object() -> None:
    """The second object's best box overlaps the first by 8/8."""
    found = ASSIGNER.assign(boxes(SQUARE, top_rows(6)), boxes(SQUARE, (4, 0, 11, 7)))
    assert found.tolist() == [2, 1]


def test_more_than_half_inside_an_ignored_region_is_not_background() -> None:
    """Shares of 5/8 and exactly 4/8 of the box; how much of the region the box covers does not count."""
    ignored = boxes((100, 100, 199, 199))
    inside, half = (103, 150, 110, 153), (96, 150, 103, 153)
    more = (97, 150, 104, 153)
    found = ASSIGNER.assign(boxes(inside, half, more), boxes(SQUARE), ignored)
    assert found.tolist() == [IGNORED, BACKGROUND, IGNORED]


def test_ignored_regions_leave_objects_alone() -> None:
    """A box of an object stays one inside such a region, and one that is neither stays so."""
    found = ASSIGNER.assign(boxes(SQUARE, top_rows(3)), boxes(SQUARE), boxes((0, 0, 50, 50)))
    assert found.tolist() == [1, IGNORED]


def test_ignored_regions_do_not_add_up() -> None:
    """Two regions with 3/8 of a box each."""
    found = ASSIGNER.assign(boxes((100, 0, 107, 7)), boxes(SQUARE), boxes((90, 0, 102, 7), (105, 0, 120, 7)))
    assert found.tolist() == [BACKGROUND]


def test_no_objects() -> None:
    """All is background but what is ignored."""
    found = ASSIGNER.assign(boxes(SQUARE, (30, 30, 37, 37)), boxes(), boxes((29, 29, 40, 40)))
    assert found.tolist() == [BACKGROUND, IGNORED]
    assert ASSIGNER.assign(boxes(SQUARE), boxes()).tolist() == [BACKGROUND]
    assert ASSIGNER.assign(boxes(SQUARE), boxes(), boxes()).tolist() == [BACKGROUND]


@pytest.mark.parametrize("truth", [boxes(), boxes(SQUARE)])
def test_no_boxes(truth: Tensor) -> None:
    found = ASSIGNER.assign(boxes(), truth, boxes(SQUARE))
    assert found.shape == (0,)
    assert found.dtype == torch.int64


def test_inside_share_counts_pixels() -> None:
    """8 x 8 box: 2 columns, all, nothing (adjacent) inside."""
    share = inside_share(boxes(SQUARE), boxes((6, 0, 20, 7), (-5, -5, 90, 90), (8, 0, 20, 7)))
    assert share.tolist() == [[0.25, 1.0, 0.0]]
