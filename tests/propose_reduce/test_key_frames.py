"""Which frames are proposed from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_vis.propose_reduce import key_frames


@pytest.mark.parametrize(
    ("frames", "number", "expected"),
    [
        (12, 5, [0, 2, 5, 8, 11]),
        (36, 5, [0, 8, 17, 26, 35]),
        (1, 5, [0]),
        (3, 5, [0, 1, 2]),
        (9, 1, [0]),
        (9, 2, [0, 8]),
    ],
)
def test_indices(frames, number, expected):
    assert key_frames(frames, number) == expected


@given(st.integers(1, 500), st.integers(2, 30))
def test_first_and_last_and_no_repetition(frames, number):
    keys = key_frames(frames, number)
    assert keys[0] == 0
    assert keys[-1] == frames - 1
    assert keys == sorted(set(keys))
    assert len(keys) <= min(frames, number)


def test_wrong_numbers():
    with pytest.raises(ValueError, match="at least 1"):
        key_frames(0, 5)
