"""Checks of run-length encodings: pycocotools itself hangs or reads past the end on bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_vis.structures import RLE, areas, decode_masks, encode_masks
from mmdet_vis.structures.rle import InvalidMaskError, check_characters, check_runs, shift_right, to_rle

FEW = settings(max_examples=40, deadline=None, derandomize=True)


def compress(runs: list[int]) -> str:
    """The compressed string of any run lengths, right or wrong, by the format's definition."""
    text = ""
    for n, run in enumerate(runs):
        value = run - runs[n - 2] if n > 2 else run
        while True:
            digit, value = value & 31, value >> 5
            last = value == (-1 if digit & 16 else 0)
            text += chr(48 + (digit if last else digit | 32))
            if last:
                break
    return text


def rle(runs: list[int], height: int = 10, width: int = 10) -> RLE:
    return RLE(size=[height, width], counts=compress(runs))


@given(st.lists(st.tuples(st.integers(0, 2**32), st.floats(0, 1)), min_size=1, max_size=20), st.integers(1, 60))
@FEW
def test_real_masks_pass(masks: list[tuple[int, float]], height: int) -> None:
    width = 37
    drawn = np.stack([np.random.default_rng(seed).random((height, width)) < share for seed, share in masks])
    rles = encode_masks(drawn.astype(np.uint8))
    check_characters([r["counts"] for r in rles])
    check_runs(rles)
    np.testing.assert_array_equal(areas(rles), drawn.sum(axis=(1, 2)))


@given(st.lists(st.lists(st.integers(-50, 5000), min_size=1, max_size=9), min_size=1, max_size=12))
@FEW
def test_runs_that_do_not_fill_the_frame_are_found(sequences: list[list[int]]) -> None:
    rles = [rle(runs) for runs in sequences]
    wrong = [n for n, runs in enumerate(sequences) if min(runs) < 0 or sum(runs) != 100]
    check_characters([r["counts"] for r in rles])
    if not wrong:
        check_runs(rles)
        return
    with pytest.raises(InvalidMaskError) as info:
        check_runs(rles)
    assert info.value.index == wrong[0]


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([3, 5, 4], "has runs of 12 pixels, the frame has 100"),
        ([3, 5, 4, 200], "has runs of 212 pixels"),
        ([60, 50, -10], "negative length"),
        ([2**31, 2**31 - 100 + 2**31, 2**31], "negative length"),
    ],
)
def test_bad_runs_are_named(runs: list[int], reason: str) -> None:
    with pytest.raises(InvalidMaskError, match=reason):
        check_runs([rle([100]), rle(runs)])


def test_numbers_of_many_digits() -> None:
    side = 20_000  # 4e8 pixels: runs of six digits
    check_runs([rle([0, 150_000_000, 250_000_000], side, side)])
    for digits in (7, 8):
        with pytest.raises(InvalidMaskError, match="negative"):
            check_runs([RLE(size=[10, 10], counts="o" * (digits - 1) + "0")])


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ("", "no runs"),
        (compress([60, 40])[:-1] + "P", "middle of a run"),
        ("3 5", "characters"),
        ("35\0", "characters"),
        ("3é5", "characters"),
    ],
)
def test_bad_strings_are_named(counts: str, reason: str) -> None:
    with pytest.raises(InvalidMaskError, match=reason) as info:
        check_characters([compress([100]), compress([20, 80]), counts])
    assert info.value.index == 2


@given(st.lists(st.tuples(st.integers(0, 2**32), st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=20))
@FEW
def test_shifting_puts_empty_frames_before_a_mask(masks: list[tuple[int, float, int]]) -> None:
    drawn = np.stack([np.random.default_rng(seed).random((13, 37)) < share for seed, share, _ in masks])
    frames = [shift for _, _, shift in masks]
    shifted = shift_right(encode_masks(drawn.astype(np.uint8)), frames)
    for mask, n, found in zip(drawn, frames, shifted, strict=True):
        np.testing.assert_array_equal(decode_masks([found])[0], np.pad(mask, ((0, 0), (37 * n, 0))))
    check_characters([r["counts"] for r in shifted])
    check_runs([r for r, n in zip(shifted, frames, strict=True) if n == frames[0]])
    assert shift_right([], []) == []


def test_more_areas_than_pycocotools_takes_at_once() -> None:
    assert areas([rle([n % 50, 10, 90 - n % 50]) for n in range(700)]).tolist() == [10] * 700
    assert areas([]).tolist() == []


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        ("abc", "not null, an RLE"),
        ({"counts": "3"}, "not null, an RLE"),
        ({"size": [20, 10], "counts": [200]}, r"size \[20, 10\], the video is \[height, width\] = \[10, 10\]"),
        ({"size": [10, 10], "counts": [50, 49]}, "runs of 99 pixels"),
        ({"size": [10, 10], "counts": [50.0, 50.0]}, "neither a string nor"),
        ({"size": [10, 10], "counts": [110, -10]}, "neither a string nor"),
        ([[1, 2, 3, 4]], "not of polygons"),
        ([[1, 2, 3, 4, 5, float("nan")]], "not finite"),
        ([[1, 2, 3, 4, 5, "6"]], "not finite"),
    ],
)
def test_bad_masks_are_named(mask: object, reason: str) -> None:
    with pytest.raises(InvalidMaskError, match=reason):
        to_rle(mask, 10, 10)


def test_absent_masks() -> None:
    assert to_rle(None, 10, 10) is None
    assert to_rle([], 10, 10) is None
