"""A simulated annotator: the worst frame of a sequence is corrected with its true mask, again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.davis.best_match import mask_ious
from mmdet_vis.structures import RLE, VideoResult

_Result = TypeVar("_Result", bound=VideoResult)


class Corrections(NamedTuple):
    """Mean J of a clip after 0, 1, 2 … corrections.

    Attributes:
        carried: ``[N + 1]``, each correction carried through the clip.
        by_hand: ``[N + 1]``, each replacing the mask of its frame alone: the worst ones, one after the other.
        frames: the N frames that were corrected, in order.
    """

    carried: NDArray[np.float64]
    by_hand: NDArray[np.float64]
    frames: list[int]


def best_sequence(result: VideoResult, truth: Sequence[RLE]) -> int | None:
    """The ``track_id`` of the sequence that matches an annotated object best, by mean IoU; None if there is none."""
    if not result.sequences:
        return None
    return max(result.sequences, key=lambda s: float(mask_ious(s.masks, truth).mean())).track_id


def annotate(
    result: _Result, truth: Sequence[RLE], correct: Callable[[_Result, int, int], _Result], number: int
) -> Corrections:
    """Correct the worst frame of the best-matching sequence ``number`` times, at most once for each of T true masks.

    There is at least one sequence; ``correct`` is called with the result so far, the ``track_id`` and the frame.
    """
    track_id = best_sequence(result, truth)
    assert track_id is not None
    ious = mask_ious(result.sequence(track_id).masks, truth)
    worst_first = np.sort(ious)
    by_hand = [np.where(np.arange(len(ious)) < n, 1.0, worst_first).mean() for n in range(number + 1)]
    carried, frames = [ious.mean()], []
    for _ in range(number):
        frame = next(int(t) for t in np.argsort(ious, kind="stable") if t not in frames)
        frames.append(frame)
        result = correct(result, track_id, frame)
        ious = mask_ious(result.sequence(track_id).masks, truth)
        carried.append(ious.mean())
    return Corrections(np.array(carried), np.array(by_hand), frames)
