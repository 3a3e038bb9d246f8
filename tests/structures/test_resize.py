import numpy as np
import pytest

from mmdet_vis.structures import areas, decode_masks, empty_rle, encode_masks
from mmdet_vis.structures.resize import rles_to_original, to_original


def bilinear(mask, height, width):
    """The textbook formula in float64: half-pixel centres, borders repeated."""

    def axis(size, out):
        centre = np.maximum((np.arange(out) + 0.5) * size / out - 0.5, 0)
        low = np.floor(centre).astype(int)
        weights = np.zeros((out, size))
        np.add.at(weights, (np.arange(out), low), 1 - (centre - low))
        np.add.at(weights, (np.arange(out), np.minimum(low + 1, size - 1)), centre - low)
        return weights

    return axis(mask.shape[0], height) @ mask @ axis(mask.shape[1], width).T


@pytest.mark.parametrize("original", [(72, 128), (31, 53), (40, 64), (97, 20)])
def test_resize_is_bilinear_above_half(original):
    masks = (np.random.default_rng(0).random((4, 64, 96)) > 0.4).astype(np.uint8)
    got = to_original(masks, (36, 64), original)
    assert got.shape == (4, *original)
    for mask, own in zip(masks, got, strict=True):
        value = bilinear(mask[:36, :64], *original)
        certain = np.abs(value - 0.5) > 1e-6
        np.testing.assert_array_equal(own[certain], (value > 0.5)[certain])


def test_same_size_only_cuts_the_padding_and_returns_zeros_and_ones():
    masks = np.full((1, 32, 64), 255, np.uint8)
    got = to_original(masks, (30, 50), (30, 50))
    np.testing.assert_array_equal(got, np.ones((1, 30, 50), np.uint8))


def test_rles_give_the_same_masks_and_empty_ones_stay_empty():
    masks = np.zeros((3, 64, 96), np.uint8)
    masks[0, 5:20, 10:70] = 1
    masks[2, 40:, 70:] = 1  # Partly padding.
    rles = rles_to_original(encode_masks(masks), (48, 80), (97, 161))
    assert rles == encode_masks(to_original(masks, (48, 80), (97, 161)))
    assert rles[1] == empty_rle(97, 161)
    assert areas(rles)[0] > 0
    assert areas(rles)[2] > 0
    assert decode_masks(rles).shape == (3, 97, 161)


def test_a_mask_in_the_padding_alone_becomes_empty():
    masks = np.zeros((1, 64, 96), np.uint8)
    masks[0, 50:, :] = 1
    assert rles_to_original(encode_masks(masks), (48, 80), (96, 160)) == [empty_rle(96, 160)]


def test_no_masks():
    assert to_original(np.zeros((0, 64, 96), np.uint8), (48, 80), (96, 160)).shape == (0, 96, 160)
    assert rles_to_original([], (48, 80), (96, 160)) == []


def test_masks_smaller_than_the_resized_frame_are_refused():
    with pytest.raises(ValueError, match="at least"):
        to_original(np.zeros((1, 30, 30), np.uint8), (32, 20), (64, 40))


def test_a_long_video():
    rles = rles_to_original(encode_masks(np.ones((400, 4, 6), np.uint8)), (4, 6), (8, 12))
    assert len(rles) == 400
    assert rles[399] == encode_masks(np.ones((1, 8, 12), np.uint8))[0]


def test_a_pixel_that_is_exactly_half_covered_is_background():
    mask = np.array([[[1, 1, 1, 1], [0, 0, 1, 1]]], np.uint8)
    np.testing.assert_array_equal(to_original(mask, (2, 4), (1, 2)), [[[0, 1]]])
