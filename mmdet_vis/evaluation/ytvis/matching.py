"""Matching of predictions to annotated objects, by the rules of the COCO evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IOU_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
# Size ranges by average mask area in pixels, both ends included; YouTube-VIS took 128 and 256 where COCO has 32 and 96.
AREA_RANGES: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 128.0**2),
    "medium": (128.0**2, 256.0**2),
    "large": (256.0**2, 1e10),
}


@dataclass(frozen=True)
class Matches:
    """Predictions and objects of one video and category, for A size ranges and T IoU thresholds.

    Attributes:
        scores: ``[D]`` float64, descending.
        matched: ``[A, T, D]`` bool, the prediction took an object.
        ignored: ``[A, T, D]`` bool, the prediction counts neither as right nor as wrong.
        num_objects: ``[A]`` int64, objects that count.
    """

    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    num_objects: NDArray[np.int64]


# Predictions are taken in batches, best scores first: what the first few match spares most of the others' IoUs.
_FIRST_BATCH, _GROWTH = 8, 3
_NEVER = 2.0  # a floor that no IoU reaches


def match(
    scores: NDArray[np.float64],
    areas: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    compute_ious: Callable[[slice, NDArray[np.float64]], NDArray[np.float64]],
) -> Matches:
    """Match the predictions of one video and category.

    In each size range, crowds and objects of other sizes are "ignored": a prediction that matches one, or that
    matches nothing and is itself of another size, does not count.

    Args:
        scores: ``[D]``, descending.
        areas: ``[D]`` average area of each prediction in pixels.
        object_areas: ``[G]`` average area of each object in pixels.
        crowd: ``[G]`` bool; a crowd may be matched any number of times.
        compute_ious: called with a range of d predictions and a floor for each object ``[G]``; returns their IoUs
            ``[d, G]``, which need not be right where they are below the floor.
    """
    low, high = np.array(list(AREA_RANGES.values())).T[:, :, None]
    object_ignored = crowd | (object_areas < low) | (object_areas > high)  # [A, G]
    other_size = (areas < low) | (areas > high)  # [A, D]
    if len(crowd) == 0:
        nothing = np.zeros((len(AREA_RANGES), len(IOU_THRESHOLDS), len(scores)), bool)
        return Matches(scores, nothing, nothing | other_size[:, None], np.zeros(len(AREA_RANGES), np.int64))
    # Ranges in which the same objects count share their matching.
    matchers = {row.tobytes(): _Matcher(row.tolist(), crowd.tolist()) for row in object_ignored}
    begin, size = 0, _FIRST_BATCH
    while begin < len(scores):
        batch = slice(begin, min(begin + size, len(scores)))
        floors = np.min([matcher.floors() for matcher in matchers.values()], axis=0)
        ious = compute_ious(batch, floors)
        for d in np.flatnonzero((ious >= IOU_THRESHOLDS[0]).any(axis=1)).tolist():  # The others match nothing.
            row = ious[d].tolist()
            for matcher in matchers.values():
                matcher.add(begin + d, row)
        begin, size = batch.stop, _GROWTH * size
    outcomes = [matchers[row.tobytes()].outcome(len(scores)) for row in object_ignored]
    matched = np.stack([matched for matched, _ in outcomes])
    ignored = np.stack([on_ignored for _, on_ignored in outcomes]) | (~matched & other_size[:, None])
    return Matches(scores, matched, ignored, np.count_nonzero(~object_ignored, axis=1))


class _Matcher:
    """Greedy matching at all IoU thresholds for one choice of ignored objects."""

    def __init__(self, ignored: list[bool], crowd: list[bool]) -> None:
        self.ignored = ignored
        self.crowd = crowd
        self.limits = np.minimum(IOU_THRESHOLDS, 1 - 1e-10).tolist()
        self.taken = [[False] * len(ignored) for _ in self.limits]
        self.matches: list[tuple[int, int, bool]] = []  # threshold, prediction, is the object ignored

    def floors(self) -> list[float]:
        """For each object the lowest threshold at which it is still to be had."""
        return [
            next((limit for limit, taken in zip(self.limits, self.taken, strict=True) if self._free(taken, g)), _NEVER)
            for g in range(len(self.ignored))
        ]

    def add(self, d: int, ious: list[float]) -> None:
        """Match prediction ``d``, whose score is not above any before it, given its IoU with each object."""
        # Objects that count come before ignored ones whatever their IoU; of equals, the last one in the file wins.
        near = [g for g, iou in enumerate(ious) if iou >= self.limits[0]]
        near.sort(key=lambda g: (not self.ignored[g], ious[g], g), reverse=True)
        for t, limit in enumerate(self.limits if near else []):
            for g in near:
                if ious[g] >= limit and self._free(self.taken[t], g):
                    self.taken[t][g] = True
                    self.matches.append((t, d, self.ignored[g]))
                    break

    def outcome(self, number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the predictions matched, and which of them an ignored object: two ``[T, D]`` bool."""
        matched = np.zeros((len(self.limits), number), bool)
        on_ignored = np.zeros_like(matched)
        for t, d, ignored in self.matches:
            matched[t, d], on_ignored[t, d] = True, ignored
        return matched, on_ignored

    def _free(self, taken: list[bool], g: int) -> bool:
        return self.crowd[g] or not taken[g]
