"""How predictions follow objects from frame to frame, for those that do not cover any object as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.ytvis import MaskSequence, check_sequences

FRAME_IOU = 0.1
"""IoU of two masks from which a prediction is on the object in that frame."""
FOLLOWED_IOU = 0.5
"""IoU over the frames in which it is on the object, from which a prediction is a track of it."""
FOLLOWED_SHARE = 0.1
"""Share of the object's visible frames in which a track must be on it."""


@dataclass(frozen=True)
class Following:
    """One prediction beside the G objects of its video.

    Attributes:
        frames: ``[G]`` int64, frames in which it is on the object (IoU of the masks at least :data:`FRAME_IOU`).
        iou: ``[G]`` float64, sequence IoU over these frames alone; 0 if there are none.
        tracked: ``[G]`` bool, it is a track of the object as long as it is on it.
    """

    frames: NDArray[np.int64]
    iou: NDArray[np.float64]
    tracked: NDArray[np.bool_]


def follow(predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence]) -> list[Following]:
    """How each of D predictions follows each of G objects, sequences of T masks of one size.

    Raises:
        InvalidMaskError: if the runs of a prediction's mask do not fit its size; ``index`` is that of the prediction.
    """
    if not truths or not predictions:
        nothing = np.zeros(0)
        return [Following(nothing.astype(np.int64), nothing, nothing.astype(bool)) for _ in predictions]
    check_sequences([masks.rles for masks in predictions])
    truth_areas = _stack_areas(truths)
    ious = _frame_ious(predictions, truths)
    both = truth_areas + _stack_areas(predictions)[:, None]  # [D, G, T]
    shared = np.rint(ious * both / (1 + ious))  # I = iou * U and U = both - I
    on = ious >= FRAME_IOU
    frames = np.count_nonzero(on, axis=2)
    shared, total = (shared * on).sum(axis=2), (both * on).sum(axis=2)
    iou = shared / np.maximum(total - shared, 1)
    enough = (frames > 0) & (frames >= FOLLOWED_SHARE * np.count_nonzero(truth_areas, axis=1))
    return [Following(*rows) for rows in zip(frames, iou, enough & (iou >= FOLLOWED_IOU), strict=True)]


def _frame_ious(predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence]) -> NDArray[np.float64]:
    """IoU of each prediction with each object in each frame, ``[D, G, T]``; 0 where one of the two is absent."""
    ious = np.zeros((len(predictions), len(truths), len(truths[0].rles)))
    for t in range(ious.shape[2]):
        rows = [d for d, masks in enumerate(predictions) if masks.areas[t]]
        columns = [g for g, masks in enumerate(truths) if masks.areas[t]]
        if rows and columns:
            found = coco_mask.iou(
                [predictions[d].rles[t] for d in rows], [truths[g].rles[t] for g in columns], [0] * len(columns)
            )
            ious[np.ix_(rows, columns, [t])] = found[:, :, None]
    return ious


def _stack_areas(sequences: Sequence[MaskSequence]) -> NDArray[np.int64]:
    """Areas of N sequences: ``[N, T]``, pixels."""
    return np.stack([masks.areas for masks in sequences])
