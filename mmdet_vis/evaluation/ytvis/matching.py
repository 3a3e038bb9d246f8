"""Matching of predictions to annotated objects, by the rules of the COCO evaluation."""

from __future__ import annotations

from collections.abc import Sequence
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


def match(
    scores: NDArray[np.float64],
    areas: NDArray[np.float64],
    ious: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    crowd: NDArray[np.bool_],
) -> Matches:
    """Match the predictions of one video and category.

    In each size range, crowds and objects of other sizes are "ignored": a prediction that matches one, or that
    matches nothing and is itself of another size, does not count.

    Args:
        scores: ``[D]``, descending.
        areas: ``[D]`` average area of each prediction in pixels.
        ious: ``[D, G]`` sequence IoU, exact where it is at least the lowest threshold.
        object_areas: ``[G]`` average area of each object in pixels.
        crowd: ``[G]`` bool; a crowd may be matched any number of times.
    """
    shape = (len(AREA_RANGES), len(IOU_THRESHOLDS), len(scores))
    matched, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    num_objects = np.zeros(len(AREA_RANGES), np.int64)
    known: dict[bytes, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
    for a, (low, high) in enumerate(AREA_RANGES.values()):
        object_ignored = crowd | (object_areas < low) | (object_areas > high)
        key = object_ignored.tobytes()
        if key not in known:
            known[key] = _match_range(ious, object_ignored.tolist(), crowd.tolist())
        matched[a], on_ignored = known[key]
        other_size = (areas < low) | (areas > high)
        ignored[a] = on_ignored | (~matched[a] & other_size)
        num_objects[a] = np.count_nonzero(~object_ignored)
    return Matches(scores, matched, ignored, num_objects)


def _match_range(
    ious: NDArray[np.float64], ignored: Sequence[bool], crowd: Sequence[bool]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predictions match, and which of them match an ignored object: two ``[T, D]`` bool."""
    matched = np.zeros((len(IOU_THRESHOLDS), len(ious)), bool)
    on_ignored = np.zeros_like(matched)
    limits = np.minimum(IOU_THRESHOLDS, 1 - 1e-10).tolist()
    taken = [[False] * len(ignored) for _ in limits]
    for d in np.flatnonzero(ious.max(axis=1, initial=0.0) >= limits[0]):
        row = ious[d].tolist()
        # Objects that count come before ignored ones whatever their IoU; of equals, the last one in the file wins.
        order = sorted(range(len(row)), key=lambda g: (not ignored[g], row[g], g), reverse=True)
        for t, limit in enumerate(limits):
            for g in order:
                if row[g] >= limit and (crowd[g] or not taken[t][g]):
                    taken[t][g] = True
                    matched[t, d] = True
                    on_ignored[t, d] = ignored[g]
                    break
    return matched, on_ignored
