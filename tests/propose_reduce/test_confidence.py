"""Confidence: what duplicates, classes and soft masks say of a frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet_vis.propose_reduce.collect import sharpness
from mmdet_vis.propose_reduce.confidence import agreement, combine
from mmdet_vis.structures import encode_masks


def bars(*widths: int) -> list:
    """Masks of 4 x 10 pixels, so many columns wide."""
    masks = np.zeros((len(widths), 4, 10), np.uint8)
    for mask, width in zip(masks, widths, strict=True):
        mask[:, :width] = 1
    return encode_masks(masks)


def test_agreement_is_the_mean_iou_with_the_duplicates():
    kept, same, half, other = bars(4, 8, 0), bars(4, 8, 0), bars(2, 8, 0), bars(10, 1, 10)
    found = agreement([kept, same, half, other], [0])
    np.testing.assert_allclose(found, [[(1 + 0.5) / 2, 1, 1]], atol=1e-6)
    # A duplicate belongs to the one that it overlaps most; a sequence without any has none to agree with.
    found = agreement([kept, half, other], [0, 2])
    np.testing.assert_allclose(found[0], [0.5, 1, 1], atol=1e-6)
    assert np.isnan(found[1]).all()
    assert np.isnan(agreement([kept], [0])).all()


def test_sharpness_is_the_iou_that_soft_values_promise():
    soft = torch.zeros(3, 2, 2)
    soft[0] = torch.tensor([[1.0, 0.8], [0.4, 0.0]])
    soft[2, 0, 0] = 0.3
    np.testing.assert_allclose(sharpness(soft, soft >= 0.5), [1.8 / 2.4, 1, 0.7], atol=1e-6)


def test_each_part_lowers_the_product():
    sure = np.ones((1, 3), np.float32)
    seen = np.array([[True, True, False]])
    assert (combine(np.full((1, 3), np.nan), sure, sure, seen) == 1).all()
    classes = np.array([[0.2, 0.1, 0.0]], np.float32)
    lower = combine(sure, classes, sure, seen)
    assert lower[0, 1] < lower[0, 0] == lower[0, 2] == 1, (
        "the highest class of a sequence counts as 1, none where hidden"
    )
    for parts in ((0.5 * sure, sure, sure), (sure, sure, 0.5 * sure)):
        assert (combine(*parts, seen) < 1).all()
    assert combine(sure, classes, sure, seen).dtype == np.float32
    assert lower[0, 1] == pytest.approx(round(float(lower[0, 1]), 3))
