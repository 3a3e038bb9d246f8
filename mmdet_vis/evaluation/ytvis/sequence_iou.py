"""IoU of mask sequences, from run-length encodings alone.

The IoU of two sequences is the sum over the frames of their intersections, divided by that of their unions. Areas
are known, so only intersections have to be computed, and only of pairs that can still reach the IoU asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.ytvis import MaskSequence, check_sequences
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, shift_right

# Frames between two looks at which pairs are still worth it.
_STEP = 10
_MOST_PIXELS = 1 << 29  # of the frames of a step, by the limit of the encodings
_ROUNDING = 1e-9


def sequence_iou(
    predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence], floor: float | NDArray[np.float64] = 0.0
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
    return SequencePairs(predictions, truths).iou(slice(0, len(predictions)), floor)


class SequencePairs:
    """Pairs of predictions and annotated objects (at least one of each) whose IoU is computed in parts."""

    def __init__(self, predictions: Sequence[MaskSequence], truths: Sequence[MaskSequence]) -> None:
        self._predictions = predictions
        dt_areas = np.stack([masks.areas for masks in predictions])[:, None]
        gt_areas = np.stack([masks.areas for masks in truths])[None]
        self._both = dt_areas + gt_areas  # [D, G, T]
        self._smaller = np.minimum(dt_areas, gt_areas)
        length = self._both.shape[2]
        sizes = (rle["size"] for masks in truths for rle in masks.rles if rle is not None)
        height, width = next(sizes, (1, 1))
        step = max(1, min(_STEP, _MOST_PIXELS // (height * width)))
        self._steps = [slice(begin, min(begin + step, length)) for begin in range(0, length, step)]
        self._truths = [_SideBySide([masks.rles[frames] for masks in truths]) for frames in self._steps]

    def iou(self, rows: slice, floor: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """IoU of the predictions ``rows`` with all objects, as :func:`sequence_iou`: ``[rows, G]``."""
        both, smaller = self._both[rows], self._smaller[rows]
        total = both.sum(axis=2)
        # At most what the frames not yet seen may share, and what the others do; the union is what remains of both.
        possible = smaller.sum(axis=2)
        complete = np.ones(possible.shape, bool)
        for frames, truths in zip(self._steps, self._truths, strict=True):
            wanted = (possible > 0) & (possible >= (floor - _ROUNDING) * (total - possible))
            complete &= wanted
            some = np.flatnonzero(wanted.any(axis=1))
            if not len(some):
                break
            try:
                iou = self._frame_ious(some + rows.start, frames, truths, wanted.any(axis=0))
            except InvalidMaskError as error:
                raise InvalidMaskError(int(some[error.index]), error.reason) from None
            # I = iou * U and U = both - I. The quotient was rounded once, so the whole number is beyond doubt.
            shared = np.rint(iou * both[some, :, frames] / (1 + iou)).astype(np.int64)
            # An object that no pair needs was not looked at; its pairs are lost, and keep what they might share.
            seen = wanted.any(axis=0)
            possible[np.ix_(some, seen)] += (shared - smaller[some, :, frames]).sum(axis=2)[:, seen]
        return np.where(complete, possible / np.maximum(total - possible, 1), 0.0)

    def _frame_ious(
        self, rows: NDArray[np.int64], frames: slice, truths: _SideBySide, needed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """IoU of predictions ``rows`` with the objects in each of F frames: ``[rows, G, F]``, 0 for those not needed.

        One call of pycocotools does it: with the frames side by side, masks of different frames have boxes that do
        not meet, and are not compared any further.
        """
        masks = [self._predictions[row].rles[frames] for row in rows.tolist()]
        check_sequences(masks, frames.start)
        predictions = _SideBySide(masks)
        present = truths.places[needed]
        objects = [truths.rles[place] for place in present[present >= 0].tolist()]
        iou = np.zeros((len(rows), *truths.places.shape))
        if predictions.rles and objects:
            found = np.zeros((len(predictions.rles) + 1, len(truths.rles) + 1))
            found[:-1, present[present >= 0]] = coco_mask.iou(predictions.rles, objects, [0] * len(objects))
            iou = found[predictions.places[:, None], truths.places[None]]
        return iou


class _SideBySide:
    """The masks of N sequences in F frames.

    Attributes:
        rles: those that there are, each shifted to the place of its frame.
        places: ``[N, F]`` their positions in ``rles``, -1 for none.
    """

    def __init__(self, sequences: Sequence[Sequence[RLE | None]]) -> None:
        visible = np.array([[rle is not None for rle in rles] for rles in sequences])
        self.places = np.where(visible, np.cumsum(visible).reshape(visible.shape) - 1, -1)
        self.rles = shift_right(
            [rle for rles in sequences for rle in rles if rle is not None], np.nonzero(visible)[1].tolist()
        )
