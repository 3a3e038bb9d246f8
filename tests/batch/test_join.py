"""Joining parts: identities, order, what is new, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.batch.join import join_chunks
from mmdet_vis.result import VideoResult
from mmdet_vis.structures import InstanceSequence, encode_masks

SIZE = (8, 12)


def part(first: int, objects: list[tuple[int, float, int | None]], length: int = 5) -> VideoResult:
    """Objects as (column, score, last frame) on frames from ``first``: a square that stands still."""
    sequences = []
    for rank, (column, score, last) in enumerate(objects, start=1):
        masks = np.zeros((length, *SIZE), np.uint8)
        masks[: length if last is None else max(last + 1 - first, 0), 2:6, column : column + 3] = 1
        scores = np.array([score, 0.1], np.float32)
        sequences.append(InstanceSequence(rank, 0, float(scores[0]), scores, encode_masks(masks)))
    names = [f"{first + t:05d}" for t in range(length)]
    return VideoResult("clip", *SIZE, length, sequences, ("cat", "dog"), (1, 2), names, 10.0)


def test_an_object_is_one_sequence_and_its_score_the_mean():
    joined = join_chunks([part(0, [(0, 0.5, None), (8, 0.9, 3)]), part(3, [(0, 0.9, None), (5, 0.2, None)])], 2)
    assert joined.num_frames == 8
    assert joined.frame_names == [f"{t:05d}" for t in range(8)]
    assert [(s.track_id, round(s.score, 4)) for s in joined.sequences] == [(1, 0.9), (2, 0.7), (3, 0.2)]
    seen = [np.flatnonzero(sequence.areas).tolist() for sequence in joined.sequences]
    # The third is new in the second part: results of the frames that both have are those of the first.
    assert seen == [[0, 1, 2, 3], list(range(8)), [5, 6, 7]]
    assert isinstance(joined, VideoResult)


def test_scores_below_the_bound_and_parts_without_news_are_left_out():
    joined = join_chunks([part(0, [(0, 0.9, None), (8, 0.1, None)]), part(3, [(0, 0.9, None)], length=2)], 2, 0.2)
    assert (joined.num_frames, len(joined.sequences)) == (5, 1)


def test_one_part_is_itself():
    only = part(0, [(8, 0.9, None), (0, 0.5, None)])
    assert join_chunks([only], 2) == only


def test_parts_that_do_not_fit():
    other = part(3, [])
    other.height = 9
    with pytest.raises(ValueError, match="the parts of clip are of different videos or models"):
        join_chunks([part(0, []), other], 2)
    with pytest.raises(ValueError, match="no part"):
        join_chunks([], 2)
