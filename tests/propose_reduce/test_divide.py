import numpy as np
import pytest

from mmdet_vis.propose_reduce.reduce import DivideOverlaps
from mmdet_vis.structures.masks import decode_masks, encode_masks

HEIGHT, WIDTH = 6, 10


def sequence(*columns):
    """One mask a frame: all rows of the given columns, which are a start and a stop."""
    masks = np.zeros((len(columns), HEIGHT, WIDTH), np.uint8)
    for mask, (start, stop) in zip(masks, columns, strict=True):
        mask[:, start:stop] = 1
    return encode_masks(masks)


def scores(*rows):
    return np.array([[0, *row] for row in rows], np.float32)


LARGE = sequence((0, 6), (0, 8), (0, 6))  # takes over a part of the other one in the second frame
SMALL = sequence((7, 10), (6, 9), (7, 10))


def test_what_two_cover_is_the_smaller_ones():
    large, small = DivideOverlaps()([LARGE, SMALL], scores((0.9, 0.1), (0.6, 0.1)))
    np.testing.assert_array_equal(decode_masks(large), decode_masks(sequence((0, 6), (0, 6), (0, 6))))
    assert large[0] is LARGE[0]
    assert small == SMALL


def test_the_order_does_not_matter():
    small, large = DivideOverlaps()([SMALL, LARGE], scores((0.9, 0.1), (0.6, 0.1)))
    assert small == SMALL
    assert decode_masks(large)[1].sum() == 6 * HEIGHT


@pytest.mark.parametrize(
    ("found", "rows"),
    [
        ([LARGE, SMALL], [(0.9, 0.1), (0.4, 0.1)]),  # far less sure
        ([LARGE, SMALL], [(0.9, 0.1), (0.1, 0.9)]),  # of another category: a rider and a horse
        ([LARGE, sequence((0, 3), (0, 3), (9, 10))], [(0.9, 0.1), (0.6, 0.1)]),  # its part for most of its life
        ([LARGE, sequence((7, 8), (8, 10), (7, 8))], [(0.9, 0.1), (0.6, 0.1)]),  # apart
        ([LARGE], [(0.9, 0.1)]),
    ],
)
def test_others_keep_what_they_have(found, rows):
    assert DivideOverlaps()(found, scores(*rows)) == found


def test_a_third_one_is_cut_where_it_meets_either():
    wide = sequence((0, 0), (5, 10), (0, 10))
    large, small, cut = DivideOverlaps(most_shared=0.9)([LARGE, SMALL, wide], scores(*[(0.9, 0.1)] * 3))
    together = sum(decode_masks(s).astype(int) for s in (large, small, cut))
    assert together.max() == 1
