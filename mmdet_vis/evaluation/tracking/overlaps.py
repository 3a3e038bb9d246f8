"""What the measures of tracking see of one video: which objects and tracks each frame shows, and how they overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from mmdet_vis.structures import RLE, areas

MATCHED = 0.5
"""IoU from which an object and a track are the same in the measures that have one threshold (MOTS, section 4)."""

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class VideoOverlaps:
    """Objects and tracks of one video.

    Attributes:
        num_objects, num_tracks: G and P.
        objects: for each frame the objects that it shows, ``[g]`` int64, ascending numbers below G.
        tracks: the same of the tracks, ``[p]``.
        iou: for each frame ``[g, p]`` float64 in [0, 1].
    """

    num_objects: int
    num_tracks: int
    objects: Sequence[NDArray[np.int64]]
    tracks: Sequence[NDArray[np.int64]]
    iou: Sequence[NDArray[np.float64]]

    @classmethod
    def of_masks(
        cls,
        objects: Sequence[Sequence[RLE | None]],
        tracks: Sequence[Sequence[RLE | None]],
        ignored: Sequence[Sequence[RLE | None]] = (),
    ) -> VideoOverlaps:
        """Compare G objects and P tracks, sequences of T masks of one size, None where the object is not seen.

        A track that matches no object of a frame and lies by more than half in an ignored region, such as a crowd, is
        left out of that frame (the rule of MOTS). Objects and tracks without any pixel do not count.
        """
        length = max((len(sequence) for sequence in (*objects, *tracks)), default=0)
        shown, found, overlaps = [], [], []
        for t in range(length):
            here, there = _visible(objects, t), _visible(tracks, t)
            iou = _iou([objects[i][t] for i in here], [tracks[i][t] for i in there])
            regions = [sequence[t] for sequence in ignored if t < len(sequence) and sequence[t] is not None]
            if regions and len(there):
                inside = _iou([tracks[i][t] for i in there], regions, share_of_first=True).max(axis=1) > 0.5 + EPS
                rows, columns = best_pairs(np.where(iou >= MATCHED - EPS, iou, 0))
                inside[columns[iou[rows, columns] >= MATCHED - EPS]] = False
                there, iou = there[~inside], iou[:, ~inside]
            shown.append(here)
            found.append(there)
            overlaps.append(iou)
        num_objects, shown = _renumber(shown)
        num_tracks, found = _renumber(found)
        return cls(num_objects, num_tracks, shown, found, overlaps)

    def frames_of_objects(self) -> NDArray[np.int64]:
        """In how many frames each object is seen, ``[G]``."""
        return np.bincount(np.concatenate([*self.objects, np.zeros(0, np.int64)]), minlength=self.num_objects)

    def frames_of_tracks(self) -> NDArray[np.int64]:
        """In how many frames each track has a mask, ``[P]``."""
        return np.bincount(np.concatenate([*self.tracks, np.zeros(0, np.int64)]), minlength=self.num_tracks)


_Counts = TypeVar("_Counts")


def added(counts: Iterable[_Counts], nothing: _Counts) -> _Counts:
    """The sum of the counts of several videos or categories, field by field; ``nothing`` of their kind without any."""
    kind: Any = type(nothing)
    found: _Counts = kind(*map(sum, zip(*(vars(c).values() for c in (nothing, *counts)), strict=True)))
    return found


def best_pairs(value: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the one-to-one assignment with the largest sum."""
    rows, columns = linear_sum_assignment(-value)
    return np.asarray(rows, np.int64), np.asarray(columns, np.int64)


def ratio(part: NDArray[np.float64] | float, whole: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """A share of counts, 0 where there is nothing to count."""
    return np.asarray(part, np.float64) / np.maximum(1, whole)


def _visible(sequences: Sequence[Sequence[RLE | None]], t: int) -> NDArray[np.int64]:
    present = {i: rle for i, masks in enumerate(sequences) if t < len(masks) and (rle := masks[t]) is not None}
    return np.array(list(present), np.int64)[areas(list(present.values())) > 0]


def _iou(
    first: Sequence[RLE | None], second: Sequence[RLE | None], share_of_first: bool = False
) -> NDArray[np.float64]:
    """IoU, or the share of each mask of the first that lies in each of the second."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    # For "crowd" masks of the second kind pycocotools divides by the area of the first.
    return np.asarray(coco_mask.iou(list(first), list(second), [int(share_of_first)] * len(second)), np.float64)


def _renumber(frames: Sequence[NDArray[np.int64]]) -> tuple[int, list[NDArray[np.int64]]]:
    """Numbers without gaps for those that some frame shows."""
    seen = np.unique(np.concatenate([*frames, np.zeros(0, np.int64)]))
    return len(seen), [np.searchsorted(seen, frame).astype(np.int64) for frame in frames]
