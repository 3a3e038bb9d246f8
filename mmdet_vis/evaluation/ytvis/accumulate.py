"""Precision and recall over all videos from the matches of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.ytvis.matching import AREA_RANGES, IOU_THRESHOLDS, Matches

RECALL_POINTS: NDArray[np.float64] = np.linspace(0.0, 1.0, 101)
# Predictions that count per video and category.
MAX_DETECTIONS = (1, 10, 100)


def accumulate(
    matches: Sequence[Matches],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Precision at 101 recalls, and the recall reached, of one category.

    Args:
        matches: those of the category, in the order of the video ids (which decides between equal scores).

    Returns:
        precision ``[T, R, A, M]`` and recall ``[T, A, M]`` in [0, 1], or -1 where no object counts; the number of
        objects that count in each size range, ``[A]``. T thresholds, R recalls, A size ranges, M limits.
    """
    shape = (len(IOU_THRESHOLDS), len(RECALL_POINTS), len(AREA_RANGES), len(MAX_DETECTIONS))
    precision, recall = np.full(shape, -1.0), np.full(shape[:1] + shape[2:], -1.0)
    if not matches:
        return precision, recall, np.zeros(len(AREA_RANGES), np.int64)
    num_objects = np.sum([m.num_objects for m in matches], axis=0)
    for m, limit in enumerate(MAX_DETECTIONS):
        order = np.argsort(-np.concatenate([x.scores[:limit] for x in matches]), kind="stable")
        matched = np.concatenate([x.matched[..., :limit] for x in matches], axis=2)[..., order]
        ignored = np.concatenate([x.ignored[..., :limit] for x in matches], axis=2)[..., order]
        right = np.cumsum(matched & ~ignored, axis=2, dtype=np.float64)
        wrong = np.cumsum(~matched & ~ignored, axis=2, dtype=np.float64)
        for a in np.flatnonzero(num_objects):
            for t in range(len(IOU_THRESHOLDS)):
                precision[t, :, a, m], recall[t, a, m] = _curve(right[a, t], wrong[a, t], num_objects[a])
    return precision, recall, num_objects


def _curve(
    right: NDArray[np.float64], wrong: NDArray[np.float64], num_objects: int
) -> tuple[NDArray[np.float64], float]:
    """Interpolated precision at the recall points ``[R]`` and the last recall, from counts by rank ``[D]``."""
    sampled = np.zeros(len(RECALL_POINTS))
    if len(right) == 0:
        return sampled, 0.0
    recall = right / num_objects
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    rank = np.searchsorted(recall, RECALL_POINTS, side="left")
    reached = rank < len(recall)
    sampled[reached] = precision[rank[reached]]
    return sampled, float(recall[-1])
