"""Which anchors the proposal network learns from, and its loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmdet_vis.losses.rpn import AnchorTargets, RPNSettings, anchor_targets, inside, rpn_loss
from tests.step_cases import first, frame_targets

SIZE = (20, 40)
FINE = [(0, 0, 7, 7), (10, 0, 17, 7), (20, 0, 27, 7), (30, 0, 37, 7)]
COARSE = [(0, 0, 15, 15), (16, 0, 31, 15), (32, 0, 47, 15)]  # the last leaves an image 40 wide
GRIDS = [torch.tensor(level, dtype=torch.float32) for level in (FINE, COARSE)]
SETTINGS = RPNSettings(num=6)


def test_inside() -> None:
    """Both corners must be pixels of the image; each of the four sides is looked at."""
    corners = [(0, 0, 39, 19), (-1, 0, 9, 9), (0, -1, 9, 9), (0, 0, 40, 9), (0, 0, 9, 20), (-0.5, 0, 9, 9)]
    assert inside(torch.tensor(corners), SIZE).tolist() == [True, False, False, False, False, False]


def test_objects_and_background_of_one_image() -> None:
    """The object is one fine anchor; all others inside the image are background, as many as are asked for."""
    target = frame_targets([(10, 0, 17, 7)], SIZE)
    found = anchor_targets(GRIDS, [target], [SIZE], [True], [first], RPNSettings(num=4))
    assert found.index.tolist() == [1, 0, 2, 3]
    assert found.level.tolist() == [0, 0, 0, 0]
    assert found.is_object.tolist() == [1, 0, 0, 0]
    assert found.positive.tolist() == [0]
    assert found.deltas.tolist() == [[0, 0, 0, 0]]
    assert found.normaliser == 4


def test_indices_are_those_of_the_whole_batch() -> None:
    """Anchors that leave an image are not used; those of the second image count on from the first's seven."""
    images = [frame_targets([(16, 0, 31, 15)], SIZE), frame_targets([(0, 0, 15, 15)], SIZE)]
    found = anchor_targets(GRIDS, images, [SIZE, (16, 16)], [True, True], [first, first], SETTINGS)
    # First image: coarse anchor 1 is the object; the fine anchor inside it (1/4 of it) is background.
    assert found.index[:6].tolist() == [5, 0, 1, 2, 3, 4]
    # Second image, 16 wide: of the fine anchors only the first is inside, of the coarse ones the first is the object.
    assert found.index[6:].tolist() == [7 + 4, 7 + 0]
    assert found.level.tolist() == [1, 0, 0, 0, 0, 1, 1, 0]
    assert found.is_object.tolist() == [1, 0, 0, 0, 0, 0, 1, 0]
    assert found.positive.tolist() == [0, 6]
    assert found.normaliser == 6 + 2


def test_changes_are_in_units_of_the_anchor() -> None:
    """Object of 12 x 4 pixels at an anchor of 8 x 8 whose centre is 2 left of and 1 above its own."""
    target = frame_targets([(20, 2.5, 31, 6.5)], (40, 80))
    target.boxes[0] = torch.tensor([20.0, 3.0, 31.0, 6.0])
    settings = RPNSettings(num=2, min_pos_iou=0.1)
    found = anchor_targets([torch.tensor([[20.0, 0, 27, 7]])], [target], [(40, 80)], [True], [first], settings)
    expected = [2 / 8, 1 / 8, math.log(12 / 8), math.log(4 / 8)]
    assert found.deltas[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_normaliser_counts_at_least_one_of_each() -> None:
    """Only background; only an object; nothing at all (no anchor is inside); both."""
    one, none = frame_targets([(0, 0, 7, 7)], SIZE), frame_targets([], SIZE)

    def normaliser(target: object, size: tuple[int, int], exhaustive: bool = True) -> int:
        return anchor_targets(GRIDS, [target], [size], [exhaustive], [first], SETTINGS).normaliser  # type: ignore[list-item]

    assert normaliser(none, SIZE) == 1 + 6
    assert normaliser(one, (8, 8)) == 1 + 1
    assert normaliser(none, (4, 4)) == 1 + 1
    assert normaliser(one, SIZE) == 1 + 5
    assert normaliser(one, SIZE, exhaustive=False) == 1 + 1
    assert normaliser(none, SIZE, exhaustive=False) == 1 + 1


def test_no_background_where_objects_lack_an_annotation() -> None:
    """The flag holds for its own image alone."""
    images = [frame_targets([(0, 0, 7, 7)], SIZE)] * 2
    found = anchor_targets(GRIDS, images, [SIZE] * 2, [False, True], [first] * 2, SETTINGS)
    assert found.index.tolist() == [0, 7, 8, 9, 10, 11, 12]
    assert found.is_object.tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert found.normaliser == 2 + 6


def test_ignored_regions_are_no_background() -> None:
    """The region holds the last two fine anchors and the second coarse one by more than half."""
    target = frame_targets([(0, 0, 7, 7)], SIZE, ignored=[(18, 0, 39, 19)])
    found = anchor_targets(GRIDS, [target], [SIZE], [True], [first], RPNSettings(num=64))
    assert found.index.tolist() == [0, 1, 4]


def test_each_image_has_its_own_choice() -> None:
    def last(indices: Tensor, number: int) -> Tensor:
        return indices[len(indices) - number :]

    images = [frame_targets([], SIZE)] * 2
    found = anchor_targets(GRIDS, images, [SIZE] * 2, [True] * 2, [first, last], RPNSettings(num=2))
    assert found.index.tolist() == [0, 1, 7 + 4, 7 + 5]


def test_no_anchor_at_all() -> None:
    """An image smaller than every anchor: a loss of zero that can be derived."""
    found = anchor_targets(GRIDS, [frame_targets([], (4, 4))], [(4, 4)], [True], [first], SETTINGS)
    logits = [torch.zeros(1, 1, 4, 1, requires_grad=True), torch.zeros(1, 1, 3, 1)]
    loss = rpn_loss(logits, [torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 4)], found, 1.0)
    assert loss.classification.tolist() == [0, 0]
    assert loss.regression.tolist() == [0, 0]
    (loss.classification.sum() / loss.normaliser).backward()
    assert logits[0].grad is not None
    assert not logits[0].grad.any()


def test_loss_by_hand() -> None:
    """Two images, levels of 2 x 1 cells with 2 anchors and 1 x 1 cell with 2: every sampled number at its place."""
    logits = [torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 1, 2)]
    deltas = [torch.zeros(2, 1, 2, 8), torch.zeros(2, 1, 1, 8)]
    logits[0][0, 0, 1, 0] = 2.0  # index 2: background
    logits[1][0, 0, 0, 1] = -1.0  # index 5: object
    logits[0][1, 0, 0, 1] = 3.0  # index 6 + 1: object
    deltas[1][0, 0, 0, 4:] = torch.tensor([0.5, 0, 0, -2.0])
    deltas[0][1, 0, 0, 4:] = torch.tensor([1.0, 1.0, 1.0, 1.0])
    targets = AnchorTargets(
        index=torch.tensor([5, 2, 7]),
        level=torch.tensor([1, 0, 0]),
        is_object=torch.tensor([1.0, 0.0, 1.0]),
        positive=torch.tensor([0, 2]),
        deltas=torch.tensor([[0.0, 0, 0, 0], [1, 1, 1, 3]]),
        normaliser=3,
    )
    loss = rpn_loss(logits, deltas, targets, beta=1.0)
    fine = math.log(1 + math.exp(2)) + math.log(1 + math.exp(-3))
    assert loss.classification.tolist() == pytest.approx([fine, math.log(1 + math.e)], rel=1e-6)
    assert loss.regression.tolist() == pytest.approx([1.5, 0.125 + 1.5], rel=1e-6)
    assert loss.normaliser == 3
