"""IoU of mask sequences, from run-length encodings alone.

The IoU of two sequences is the sum over the frames of their intersections, divided by that of their unions. Areas
are known, so only intersections have to be computed, and only of pairs that can reach the IoU asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.evaluation.ytvis.dataset import MaskSequence


def sequence_iou(
    predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence], floor: float = 0.0
) -> NDArray[np.float64]:
    """IoU of each prediction with each annotated object.

    Args:
        predictions: D sequences of T masks of one size whose runs were checked.
        truths: G such sequences.
        floor: pairs whose areas alone show that their IoU is below this get 0, without a look at their masks.

    Returns:
        ``[D, G]`` float64 in [0, 1]; 0 for two sequences that are empty throughout. Exact: sums of whole pixels,
        divided once.
    """
    wanted = iou_bound(predictions, truths) >= floor
    if not wanted.any():
        return np.zeros(wanted.shape)
    dt_areas, gt_areas = _areas(predictions), _areas(truths)
    intersections = np.zeros(wanted.shape, np.int64)
    for frame in range(dt_areas.shape[1]):
        pairs = wanted & (dt_areas[:, frame, None] > 0) & (gt_areas[None, :, frame] > 0)
        rows, columns = np.flatnonzero(pairs.any(axis=1)), np.flatnonzero(pairs.any(axis=0))
        if len(rows):
            intersections[np.ix_(rows, columns)] += frame_intersections(
                [predictions[row] for row in rows], [truths[column] for column in columns], frame
            )
    unions = dt_areas.sum(axis=1)[:, None] + gt_areas.sum(axis=1)[None, :] - intersections
    return np.where(wanted & (unions > 0), intersections / np.maximum(unions, 1), 0.0)


def iou_bound(predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence]) -> NDArray[np.float64]:
    """Upper bound of the IoU that follows from the areas: ``[D, G]`` float64 in [0, 1].

    In each frame the intersection is at most the smaller area and the union at least the larger one.
    """
    if not predictions or not truths:
        return np.zeros((len(predictions), len(truths)))
    dt_areas, gt_areas = _areas(predictions)[:, None], _areas(truths)[None]
    smaller = np.minimum(dt_areas, gt_areas).sum(axis=2)
    larger = np.maximum(dt_areas, gt_areas).sum(axis=2)
    return np.where(larger > 0, smaller / np.maximum(larger, 1), 0.0)


def frame_intersections(
    predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence], frame: int
) -> NDArray[np.int64]:
    """Pixels that each prediction shares with each object in one frame where all of them are visible: ``[D, G]``."""
    iou = coco_mask.iou(
        [masks.rles[frame] for masks in predictions], [masks.rles[frame] for masks in truths], [0] * len(truths)
    )
    both = np.add.outer(
        [masks.areas[frame] for masks in predictions], [masks.areas[frame] for masks in truths]
    )
    # With I = iou * U and U = both - I. The quotient was rounded once, so the whole number is beyond doubt.
    return np.rint(iou * both / (1 + iou)).astype(np.int64)


def _areas(sequences: Sequence[MaskSequence]) -> NDArray[np.int64]:
    return np.stack([masks.areas for masks in sequences])
