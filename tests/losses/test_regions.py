"""What the box and mask heads learn from, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmdet_vis.losses.regions import choose_regions, crop_masks
from mmdet_vis.losses.targets import SampleSettings
from tests.step_cases import Box, first, frame_targets

SIZE = (40, 60)
SETTINGS = SampleSettings(num=6, pos_fraction=0.5)
FIRST, SECOND = (0, 0, 9, 9), (20, 0, 39, 9)
TARGET = frame_targets([FIRST, SECOND], SIZE, labels=[3, 1])
PROPOSALS = torch.tensor(
    [
        (40, 20, 59, 39),  # background
        (20, 0, 34, 9),  # 3/4 of the second object
        (0, 0, 9, 4),  # exactly half of the first
        (0, 0, 9, 3),  # background: 4/10 of it
        (0, 20, 9, 29),  # background
        (10, 20, 19, 29),  # background
    ],
    dtype=torch.float32,
)


def test_objects_first_then_background() -> None:
    """Three of six places for objects: the true boxes come before proposals. Background in the order given."""
    found = choose_regions(PROPOSALS, TARGET, True, first, SETTINGS, 4)
    assert found.num_positive == 3
    assert found.boxes.tolist() == [[*FIRST], [*SECOND], *PROPOSALS[[1, 0, 3, 4]].tolist()]
    assert found.labels.tolist() == [3, 1, 1, 0, 0, 0]
    assert found.labels.dtype == torch.int64
    assert found.masks.shape == (3, 4, 4)


def test_deltas_are_in_units_of_their_standard_deviations() -> None:
    """True boxes need no change. The proposals' centres are 2.5 of both sides off, of 15 and of 5 pixels."""
    found = choose_regions(PROPOSALS, TARGET, True, first, replace(SETTINGS, num=64), 4)
    expected = [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [2.5 / 15 / 0.1, 0, math.log(20 / 15) / 0.2, 0],
        [0, 2.5 / 5 / 0.1, 0, math.log(10 / 5) / 0.2],
    ]
    torch.testing.assert_close(found.deltas, torch.tensor(expected))


def test_true_boxes_exceed_the_share() -> None:
    """Places for a single object: both true boxes are taken, no proposal."""
    found = choose_regions(PROPOSALS, TARGET, True, first, replace(SETTINGS, pos_fraction=0.25), 4)
    assert found.num_positive == 2
    assert found.labels.tolist() == [3, 1, 0, 0, 0, 0]


def test_no_background_where_objects_lack_an_annotation() -> None:
    found = choose_regions(PROPOSALS, TARGET, False, first, replace(SETTINGS, num=64), 4)
    assert found.boxes.tolist() == [[*FIRST], [*SECOND], *PROPOSALS[[1, 2]].tolist()]
    assert found.labels.tolist() == [3, 1, 1, 3]


def test_ignored_regions_are_no_background() -> None:
    """The region holds the fifth proposal wholly and half of the sixth."""
    target = frame_targets([FIRST, SECOND], SIZE, labels=[3, 1], ignored=[(0, 20, 14, 39)])
    found = choose_regions(PROPOSALS, target, True, first, replace(SETTINGS, num=64), 4)
    assert found.boxes[found.num_positive :].tolist() == PROPOSALS[[0, 3, 5]].tolist()


@pytest.mark.parametrize(("exhaustive", "regions"), [(True, 6), (False, 0)])
def test_no_objects(exhaustive: bool, regions: int) -> None:
    found = choose_regions(PROPOSALS, frame_targets([], SIZE), exhaustive, first, SETTINGS, 4)
    assert found.boxes.shape == (regions, 4)
    assert found.labels.tolist() == [0] * regions
    assert found.num_positive == 0
    assert found.masks.shape == (0, 4, 4)


def test_no_proposals() -> None:
    """The true boxes are learnt from all the same."""
    found = choose_regions(PROPOSALS[:0], TARGET, True, first, SETTINGS, 4)
    assert found.boxes.tolist() == [[*FIRST], [*SECOND]]
    assert found.masks.all()


def test_each_region_has_the_mask_of_its_own_object() -> None:
    """Of the second object the right half is missing; only its regions show it."""
    target = frame_targets([FIRST, SECOND], SIZE, labels=[3, 1])
    target.masks[1, 0:10, 30:40] = 0
    found = choose_regions(PROPOSALS, target, True, first, replace(SETTINGS, num=64), 4)
    half = torch.tensor([1.0, 1, 0, 0]).expand(4, 4)
    assert found.masks[0].all()
    assert torch.equal(found.masks[1], half)
    # Columns 20..34 of which ten are filled, seen as four of 3.75 pixels: centres at 1.4, 5.1, 8.9 and 12.6.
    assert torch.equal(found.masks[2], torch.tensor([1.0, 1, 1, 0]).expand(4, 4))
    assert found.masks[3].all()


def crop(mask: list[list[int]], box: Box, size: int) -> Tensor:
    """The crop of one mask in one box."""
    masks = torch.tensor([mask], dtype=torch.uint8)
    return crop_masks(masks, torch.tensor([0]), torch.tensor([box], dtype=torch.float32), size)[0]


CORNERS = [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]]


def test_crop_without_resizing() -> None:
    """Both corners belong to the box; fractions of a pixel are cut off."""
    assert crop(CORNERS, (0, 0, 3, 3), 4).tolist() == CORNERS
    assert crop(CORNERS, (2, 2, 3, 3), 2).tolist() == [[0, 0], [1, 1]]
    assert crop(CORNERS, (2.9, 2.9, 3.9, 3.9), 2).tolist() == [[0, 0], [1, 1]]


def test_border_boxes_one_pixel_outside() -> None:
    """Annotations are clipped to the image's size: the pixels beyond are empty."""
    assert crop(CORNERS, (2, 2, 4, 4), 3).tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert crop([[1] * 4] * 4, (1, 1, 4, 4), 4).tolist() == [[1, 1, 1, 0]] * 3 + [[0, 0, 0, 0]]
    assert crop([[1] * 4] * 4, (4, 4, 4, 4), 2).tolist() == [[0, 0], [0, 0]]


def test_boxes_of_a_pixel_or_less() -> None:
    """At least one pixel, also where a proposal has been turned inside out."""
    assert crop(CORNERS, (3, 3, 3, 3), 2).tolist() == [[1, 1], [1, 1]]
    assert crop(CORNERS, (3, 0, 2, 0), 2).tolist() == [[1, 1], [1, 1]]
    assert crop(CORNERS, (0, 3, 0, 2), 2).tolist() == [[1, 1], [1, 1]]


def test_bilinear_values_are_rounded() -> None:
    """Two columns to four are 0, 1/4, 3/4, 1; a corner of 2 x 2 is 1, 3/4, 9/16 and less: rounded, not cut off."""
    assert crop([[0, 1]], (0, 0, 1, 0), 4).tolist() == [[0, 0, 1, 1]] * 4
    assert crop([[1, 0], [0, 0]], (0, 0, 1, 1), 4).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]
    # Three columns to two: 3/4 of the first and 1/4 of the middle one.
    assert crop([[1, 0, 0]], (0, 0, 2, 0), 2).tolist() == [[1, 0]] * 2
    assert crop([[0, 1, 0]], (0, 0, 2, 0), 2).tolist() == [[0, 0]] * 2


def test_crops_choose_their_mask() -> None:
    masks = torch.tensor([[[1, 0]], [[0, 1]]], dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0, 0, 0]] * 3)
    found = crop_masks(masks, torch.tensor([1, 0, 1]), boxes, 1)
    assert found.flatten().tolist() == [0, 1, 0]
    assert found.dtype == torch.float32


def test_no_crops() -> None:
    index = torch.zeros(0, dtype=torch.int64)
    found = crop_masks(torch.zeros((0, 3, 3), dtype=torch.uint8), index, torch.zeros(0, 4), 28)
    assert found.shape == (0, 28, 28)
