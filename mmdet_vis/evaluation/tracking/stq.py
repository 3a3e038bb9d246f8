"""STQ: segmentation and tracking quality (Weber et al., STEP: Segmenting and Tracking Every Pixel, NeurIPS 2021).

The paper gives each pixel one category and one identity. Sequences may overlap, so a pixel here belongs to the sequence
with the highest score that covers it. All categories are things: what is annotated as nothing is no category of the
mean, but a sequence that covers it is wrong there. Crowds are left out of both parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.evaluation.tracking.overlaps import added, ratio
from mmdet_vis.structures import RLE, areas
from mmdet_vis.structures.masks import as_text

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class StqCounts:
    """What STQ adds up over videos.

    Attributes:
        association: sum over the objects of their association quality.
        objects: objects with a pixel.
        shared, union: pixels that result and truth both give to each of C categories, and that either does, ``[C]``.
    """

    association: float
    objects: float
    shared: Numbers
    union: Numbers

    @classmethod
    def total(cls, counts: Sequence[StqCounts]) -> StqCounts:
        """The counts of several videos."""
        return added(counts, cls(0.0, 0.0, np.zeros(1), np.zeros(1)))

    def summary(self) -> dict[str, float]:
        """STQ, the geometric mean of AQ and SQ, in [0, 1].

        AQ is the mean over all objects, SQ the mean IoU of the categories that the truth or the result has.
        """
        present = self.union > 0
        aq = float(ratio(self.association, self.objects))
        sq = float((self.shared[present] / self.union[present]).mean()) if present.any() else 0.0
        return {"STQ": float(np.sqrt(aq * sq)), "AQ": aq, "SQ": sq}


def stq_counts(
    objects: Sequence[Sequence[RLE | None]],
    tracks: Sequence[Sequence[RLE | None]],
    object_categories: Sequence[int],
    track_categories: Sequence[int],
    num_categories: int,
    ignored: Sequence[Sequence[RLE | None]] = (),
) -> StqCounts:
    """Count one video.

    With the pixels that track p and object g share over all frames, TPA(p, g), the association quality of an object is
    the sum over p of TPA(p, g) IoU(p, g), divided by the object's pixels; IoU is that of the two tubes. Categories play
    no part in it.

    Args:
        objects: G sequences of T masks of one size, None where the object is not seen.
        tracks: P such sequences, the highest score first.
        object_categories, track_categories: numbers from 0 below ``num_categories``, ``[G]`` and ``[P]``.
        num_categories: C.
        ignored: sequences of regions such as crowds; what is an object is one there, too.
    """
    labels, found = np.asarray(object_categories, np.int64), np.asarray(track_categories, np.int64)
    kinds = np.unique(labels)
    together = np.zeros((len(tracks), len(objects)))
    sizes, owned = np.zeros(len(objects)), np.zeros(len(tracks))
    shared, union = np.zeros(num_categories), np.zeros(num_categories)
    for t in range(max((len(masks) for masks in (*objects, *tracks)), default=0)):
        truth = [masks[t] for masks in objects]
        by_kind = [_unions([truth[g] for g in np.flatnonzero(labels == kind)])[-1] for kind in kinds]
        everything = _unions(truth)[-1] if truth else None
        regions = _unions([everything, *(masks[t] for masks in ignored if t < len(masks))])[-1]
        # What a track adds to those before it is its own: so unions are all that has to be compared.
        covered = _unions([masks[t] for masks in tracks])
        pixels = _shared(covered, [*truth, *by_kind, everything, regions])
        own = np.diff(pixels, axis=0, prepend=0)
        together += own[:, : len(truth)]
        valid = np.diff(_areas(covered), prepend=0) - (own[:, -1] - own[:, -2])
        owned += valid
        sizes += _areas(truth)
        by_category = np.zeros((len(tracks), num_categories))
        by_category[:, kinds] = own[:, len(truth) : -2]
        right = np.bincount(found, by_category[np.arange(len(found)), found], num_categories)
        shared += right
        union += np.bincount(found, valid, num_categories) - right
        union[kinds] += _areas(by_kind)
    iou = ratio(together, owned[:, None] + sizes[None] - together)
    quality = ratio((together * iou).sum(axis=0), sizes)
    return StqCounts(float(quality.sum()), float(np.count_nonzero(sizes)), shared, union)


def _unions(masks: Sequence[RLE | None]) -> list[RLE | None]:
    """Of each mask the union with all before it."""
    found: list[RLE | None] = []
    for mask in masks:
        before = found[-1] if found else None
        if before is None or mask is None:
            found.append(mask if before is None else before)
        else:
            found.append(as_text(coco_mask.merge([before, mask])))
    return found


def _areas(masks: Sequence[RLE | None]) -> Numbers:
    """Pixels of each mask, ``[N]``."""
    present = [i for i, mask in enumerate(masks) if mask is not None]
    found = np.zeros(len(masks))
    found[present] = areas([mask for mask in masks if mask is not None])
    return found


def _shared(first: Sequence[RLE | None], second: Sequence[RLE | None]) -> Numbers:
    """Pixels that each mask of the first shares with each of the second, ``[N, M]``."""
    rows = [i for i, mask in enumerate(first) if mask is not None]
    columns = [i for i, mask in enumerate(second) if mask is not None]
    found = np.zeros((len(first), len(second)))
    if rows and columns:
        # For "crowd" masks of the second kind pycocotools gives the share of the first's pixels.
        shares = coco_mask.iou([first[i] for i in rows], [second[i] for i in columns], [1] * len(columns))
        found[np.ix_(rows, columns)] = np.rint(shares * _areas(first)[rows][:, None])
    return found
