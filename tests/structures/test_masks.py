import numpy as np
import pytest

from mmdet_vis.structures import VideoResult, empty_rle, encode_masks
from mmdet_vis.structures.masks import cover_map
from mmdet_vis.structures.sequence import frame_stems


def test_the_first_mask_that_covers_a_pixel_owns_it():
    masks = (np.random.default_rng(1).random((5, 13, 29)) > 0.6).astype(np.uint8)
    got = cover_map(encode_masks(masks), 13, 29)
    expected = np.where(masks.any(0), masks.argmax(0) + 1, 0)
    np.testing.assert_array_equal(got, expected)


def test_empty_masks_keep_their_number():
    masks = np.ones((1, 4, 6), np.uint8)
    got = cover_map([empty_rle(4, 6), *encode_masks(masks)], 4, 6)
    assert (got == 2).all()


def test_no_masks_is_all_background():
    np.testing.assert_array_equal(cover_map([], 3, 5), np.zeros((3, 5), np.uint16))


def test_more_masks_than_eight_bits_number():
    masks = np.zeros((300, 1, 300), np.uint8)
    masks[np.arange(300), 0, np.arange(300)] = 1
    np.testing.assert_array_equal(cover_map(encode_masks(masks), 1, 300)[0], np.arange(1, 301))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ValueError, match="size"):
        cover_map([empty_rle(4, 6)], 6, 4)


def result(frame_names, num_frames=3):
    return VideoResult("clip", 4, 6, num_frames, [], ("cat",), (1,), frame_names)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["00000", "00005", "00010"], ["00000", "00005", "00010"]),
        ([], ["00000", "00001", "00002"]),
        (["a", "a", "b"], ["00000", "00001", "00002"]),  # a.jpg beside a.png: one would overwrite the other.
    ],
)
def test_frame_stems(names, expected):
    assert frame_stems(result(names)) == expected


def test_frame_names_that_do_not_match_the_frames_are_refused():
    with pytest.raises(ValueError, match="3 frames but 2"):
        frame_stems(result(["a", "b"]))
