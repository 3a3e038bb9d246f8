"""Identities across windows, on hand-made results of windows."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.streaming.linker import IdentityLinker
from mmdet_vis.structures import InstanceSequence, encode_masks

HEIGHT, WIDTH = 20, 60


def sequence(places: list[int | None], scores: tuple[float, ...] = (0.9, 0.1), size: int = 10) -> InstanceSequence:
    """A square of 10 rows and ``size`` columns that starts at column ``places[t]``; None where it is not visible."""
    masks = np.zeros((len(places), HEIGHT, WIDTH), np.uint8)
    for mask, place in zip(masks, places, strict=True):
        if place is not None:
            mask[5:15, place : place + size] = 1
    values = np.array(scores, np.float32)
    return InstanceSequence(1, int(values.argmax()), float(values.max()), values, encode_masks(masks))


def ids(linker: IdentityLinker, sequences: list[InstanceSequence], shared: int) -> list[int | None]:
    return [None if found is None else found.track_id for found in linker.link(sequences, shared)]


def test_first_window_numbers_by_rank_and_the_next_one_keeps_the_numbers():
    linker = IdentityLinker(2)
    assert ids(linker, [sequence([0, 1, 2, 3]), sequence([40, 40, 40, 40])], 0) == [1, 2]
    # Other order; the shared frames are the last two of the window before; the third object is new.
    found = ids(linker, [sequence([40] * 4), sequence([20] * 4), sequence([2, 3, 4, 5])], 2)
    assert found == [2, 3, 1]
    assert linker.total == 3


def test_the_assignment_is_the_best_in_sum_not_greedy():
    linker = IdentityLinker(1)
    assert ids(linker, [sequence([10, 10]), sequence([14, 14])], 0) == [1, 2]
    # At column 12 both overlap by 8 of 12; the one at 8 can only be the first (8 of 12), not the second (4 of 16).
    assert ids(linker, [sequence([12, 12]), sequence([8, 8])], 1) == [2, 1]


def test_the_same_category_is_preferred_to_a_larger_overlap():
    linker = IdentityLinker(1)
    linker.link([sequence([10, 10], (0.9, 0.1)), sequence([13, 13], (0.1, 0.9))], 0)
    # Nearer to the first object (9 of 11 against 8 of 12), but of the second's category.
    assert ids(linker, [sequence([11, 11], (0.1, 0.9))], 1) == [2]


def test_another_category_does_not_end_an_object_and_scores_are_averaged():
    linker = IdentityLinker(1)
    linker.link([sequence([10, 10], (0.8, 0.2))], 0)
    (found,) = linker.link([sequence([10, 10], (0.3, 0.5))], 1)
    assert found is not None
    assert (found.track_id, found.label) == (1, 0)
    assert found.score == pytest.approx(0.55)
    # -1 marks a category that was dropped; it counts as 0.
    (found,) = linker.link([sequence([10, 10], (-1.0, 0.8))], 1)
    assert found is not None
    assert (found.label, found.score) == (1, pytest.approx(0.5))


@pytest.mark.parametrize(("place", "expected"), [(15, 1), (16, 2)])
def test_the_least_overlap(place, expected):
    """Squares of 10 at a distance of 5 have an IoU of 5 / 15, at 6 of 4 / 16: the limit of 0.3 is between."""
    linker = IdentityLinker(1)
    linker.link([sequence([10, 10])], 0)
    assert ids(linker, [sequence([place, place])], 1) == [expected]


def test_one_object_has_one_successor():
    linker = IdentityLinker(1)
    linker.link([sequence([10, 10])], 0)
    assert ids(linker, [sequence([12, 12]), sequence([10, 10])], 1) == [2, 1]


def test_what_is_not_seen_on_the_shared_frames_is_forgotten_and_numbers_are_never_used_again():
    linker = IdentityLinker(2)
    assert ids(linker, [sequence([10, 10, None, None])], 0) == [1]
    assert linker.alive == []
    assert ids(linker, [sequence([None, None, 10, 10])], 2) == [2]
    assert ids(linker, [], 2) == []
    assert ids(linker, [sequence([10] * 4)], 2) == [3]


def test_a_new_sequence_without_new_frames_gets_no_number():
    linker = IdentityLinker(2)
    linker.link([sequence([10] * 4)], 0)
    assert ids(linker, [sequence([40, 40, None, None]), sequence([10] * 4), sequence([30] * 4)], 2) == [None, 1, 2]


def test_memory_depends_on_the_objects_that_are_alive():
    linker = IdentityLinker(2)
    for window in range(200):
        start = (window % 5) * 10  # never overlaps the window before
        linker.link([sequence([start] * 5)], 2 if window else 0)
        assert len(linker.alive) == 1
        assert len(linker.alive[0].masks) == 2
    assert linker.total == 200
