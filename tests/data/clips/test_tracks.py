"""The choice of the reference frame, against the rules as they are worded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdet_vis.data.clips.tracks import choose_frames, reference_frames

DOG, CAT = 1, 2


def spelled_out(visible: np.ndarray, labels: np.ndarray, current: int) -> list[int]:
    """The rules with sets, one frame after another."""
    frames = []
    for other in range(visible.shape[1]):
        now = {(k, labels[k]) for k in range(len(labels)) if visible[k, current]}
        there = {(k, labels[k]) for k in range(len(labels)) if visible[k, other]}
        classes = {label for _, label in now} & {label for _, label in there}
        complete = all({o for o in now if o[1] == label} <= there for label in classes)
        if other != current and now & there and classes and complete:
            frames.append(other)
    return frames


def test_an_incomplete_class_rules_a_frame_out() -> None:
    #                     frame   0  1  2  3  4
    visible = np.array([[1, 1, 0, 0, 1],  # dog
                        [1, 1, 1, 0, 0],  # dog
                        [1, 0, 0, 1, 1]], bool)  # cat  # fmt: skip
    labels = np.array([DOG, DOG, CAT])
    # Frame 1 lacks the cat class altogether, which is allowed; 2 and 4 show one of two dogs; 3 shows the cat alone.
    assert reference_frames(visible, labels, 0).tolist() == [1, 3]


def test_a_frame_of_the_class_but_without_a_shared_object_is_no_reference() -> None:
    visible = np.array([[1, 0], [0, 1]], bool)
    assert reference_frames(visible, np.array([DOG, DOG]), 0).tolist() == []
    rng = np.random.default_rng(0)
    assert choose_frames(visible, np.array([DOG, DOG]), 0, 2, None, rng) == [0, 0]


@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 2**32))
def test_rules(objects: int, frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    visible = rng.random((objects, frames)) < 0.6
    labels = rng.integers(1, 3, objects)
    current = int(rng.integers(frames))
    assert reference_frames(visible, labels, current).tolist() == spelled_out(visible, labels, current)


@given(st.integers(2, 5), st.integers(1, 9), st.integers(0, 2**32))
def test_frames_between_are_in_order(num_frames: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    current = int(rng.integers(length))
    chosen = choose_frames(np.ones((1, length), bool), np.array([DOG]), current, num_frames, None, rng)
    assert len(chosen) == num_frames
    assert chosen[-1] == current
    steps = np.diff(chosen)
    assert (steps >= 0).all() or (steps <= 0).all()
    # Only a video that has no reference so far away makes frames repeat.
    if max(current, length - 1 - current) >= num_frames - 1:
        assert (steps != 0).all()


@pytest.mark.parametrize("max_gap", [1, 3])
def test_max_gap(max_gap: int) -> None:
    visible = np.ones((1, 20), bool)
    rng = np.random.default_rng(1)
    seen = {choose_frames(visible, np.array([DOG]), 10, 2, max_gap, rng)[0] - 10 for _ in range(200)}
    assert seen == {gap for gap in range(-max_gap, max_gap + 1) if gap}


def test_every_allowed_frame_is_equally_likely() -> None:
    visible = np.ones((1, 5), bool)
    rng = np.random.default_rng(2)
    drawn = [choose_frames(visible, np.array([DOG]), 2, 2, None, rng)[0] for _ in range(4000)]
    counts = np.bincount(drawn, minlength=5)
    assert counts[2] == 0
    assert abs(counts[[0, 1, 3, 4]] - 1000).max() < 120  # over four standard deviations


def test_clips_have_no_frames_that_nobody_annotated() -> None:
    annotated = np.arange(12) % 3 == 0
    visible = annotated[None]
    for seed in range(30):
        frames = choose_frames(visible, np.array([1]), 9, 3, None, np.random.default_rng(seed), annotated)
        assert len(frames) == 3
        assert all(annotated[frame] for frame in frames)
