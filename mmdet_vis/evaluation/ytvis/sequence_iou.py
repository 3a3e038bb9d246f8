"""IoU of mask sequences, from run-length encodings alone.

The IoU of two sequences is the sum over the frames of their intersections, divided by that of their unions. Areas
are known, so only intersections have to be computed, and only of pairs that can still reach the IoU asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.evaluation.ytvis.dataset import MaskSequence, check_sequences
from mmdet_vis.evaluation.ytvis.rle import InvalidMaskError

# Frames between two looks at which pairs are still worth it.
_STEP = 6
_ROUNDING = 1e-9


def sequence_iou(
    predictions: Sequence[MaskSequence],
    truths: Sequence[MaskSequence],
    floor: float | NDArray[np.float64] = 0.0,
) -> NDArray[np.float64]:
    """IoU of each prediction with each annotated object.

    Args:
        predictions: D sequences of T masks of one size.
        truths: G such sequences, whose runs were checked.
        floor: IoU that matters, or one for each object, ``[G]``. A pair is given up, and gets 0, as soon as its areas
            and the frames seen so far show that it stays below.

    Returns:
        ``[D, G]`` float64 in [0, 1]; 0 for two sequences that are empty throughout. Exact (sums of whole pixels,
        divided once) wherever it is at least the floor.

    Raises:
        InvalidMaskError: if the runs of a prediction's mask do not fit its size; ``index`` is that of the prediction.
    """
    if not predictions or not truths:
        return np.zeros((len(predictions), len(truths)))
    dt_areas, gt_areas = _stack_areas(predictions)[:, None], _stack_areas(truths)[None]
    both = dt_areas + gt_areas  # [D, G, T]
    total = both.sum(axis=2)
    # What the frames not yet seen can share at most; the union is what remains of both.
    to_come = np.minimum(dt_areas, gt_areas)
    possible = to_come.sum(axis=2)
    complete = np.ones(possible.shape, bool)
    for begin in range(0, both.shape[2], _STEP):
        frames = slice(begin, begin + _STEP)
        wanted = (possible > 0) & (possible >= (floor - _ROUNDING) * (total - possible))
        rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
        complete &= wanted | (possible == 0)
        if not len(rows):
            break
        block = np.ix_(rows, columns)
        try:
            iou = _frame_ious(
                [predictions[int(row)] for row in rows], [truths[int(column)] for column in columns], frames
            )
        except InvalidMaskError as error:
            raise InvalidMaskError(int(rows[error.index]), error.reason) from None
        # I = iou * U and U = both - I. The quotient was rounded once, so the whole number is beyond doubt.
        shared = np.rint(iou * both[block][..., frames] / (1 + iou)).astype(np.int64)
        possible[block] += (shared - to_come[block][..., frames]).sum(axis=2)
    return np.where(complete, possible / np.maximum(total - possible, 1), 0.0)


def _frame_ious(
    predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence], frames: slice
) -> NDArray[np.float64]:
    """IoU of each prediction with each object in some frames, ``[D, G, frames]``; the predictions' runs are checked."""
    dt_rles = [masks.rles[frames] for masks in predictions]
    gt_rles = [masks.rles[frames] for masks in truths]
    check_sequences(dt_rles, frames.start)
    ious = np.zeros((len(dt_rles), len(gt_rles), len(dt_rles[0])))
    for t in range(ious.shape[2]):
        rows = [d for d, rles in enumerate(dt_rles) if rles[t] is not None]
        columns = [g for g, rles in enumerate(gt_rles) if rles[t] is not None]
        if rows and columns:
            found = coco_mask.iou([dt_rles[d][t] for d in rows], [gt_rles[g][t] for g in columns], [0] * len(columns))
            ious[np.ix_(rows, columns, [t])] = found[:, :, None]
    return ious


def _stack_areas(sequences: Sequence[MaskSequence]) -> NDArray[np.int64]:
    """Areas of N sequences: ``[N, T]``, pixels."""
    return np.stack([masks.areas for masks in sequences])
