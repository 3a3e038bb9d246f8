"""How far the mask of each frame can be trusted, from what is known without the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.structures.masks import RLE, areas

SAME = 0.5
"""Sequence IoU from which a sequence that the reduction threw away was a duplicate of the one that was kept."""

POWERS = 0.5, 0.05, 2.0
"""Of agreement, class and sharpness in the product: they spread very differently, and the class of a frame is the least
telling. Chosen on every fifth frame of five clips of DAVIS, see ``benchmarks/confidence.py``."""

Values = NDArray[np.float32]


def agreement(sequences: Sequence[Sequence[RLE]], kept: Sequence[int]) -> Values:
    """How far duplicates, which come from other key frames, agree with the sequences that were kept.

    Args:
        sequences: N sequences of T RLEs, as they were before the reduction.
        kept: indices of the M that it kept.

    Returns:
        ``[M, T]`` float32 in [0, 1]: mean IoU in a frame with the sequences that were thrown away and overlap this one
        most, by at least :data:`SAME`; 1 where both are empty, NaN for a sequence that has no such duplicate.
    """
    dropped = [i for i in range(len(sequences)) if i not in set(kept)]
    num_frames = len(sequences[0]) if sequences else 0
    found = np.full((len(kept), num_frames), np.nan, np.float32)
    if not dropped or not kept:
        return found
    per_frame = np.zeros((num_frames, len(dropped), len(kept)), np.float32)
    shared = np.zeros((2, len(dropped), len(kept)))
    for t in range(num_frames):
        mine, theirs = [sequences[i][t] for i in kept], [sequences[i][t] for i in dropped]
        total = areas(theirs)[:, None] + areas(mine)[None, :]
        per_frame[t] = iou = np.asarray(coco_mask.iou(theirs, mine, [0] * len(mine)), np.float32)
        per_frame[t][total == 0] = 1
        overlap = iou / (1 + iou) * total
        shared += overlap, total - overlap
    whole = shared[0] / np.maximum(shared[1], 1)
    best = whole.argmax(axis=1)
    for m in range(len(kept)):
        copies = np.flatnonzero((best == m) & (whole[:, m] >= SAME))
        if len(copies):
            found[m] = per_frame[:, copies, m].mean(axis=1)
    return found


def combine(agreement: Values, classes: Values, sharp: Values, visible: NDArray[np.bool_]) -> Values:
    """One number for each sequence and frame.

    Args:
        agreement: see :func:`agreement`, ``[M, T]``; NaN where nobody knows.
        classes: probability of the sequence's category for its mask's box in a frame, ``[M, T]``.
        sharp: see :func:`~mmdet_vis.propose_reduce.collect.sharpness`, ``[M, T]``.
        visible: whether the mask of a frame has a pixel, ``[M, T]``.

    Returns:
        ``[M, T]`` float32 in [0, 1], three digits: the product of the parts that are known, each to its power of
        :data:`POWERS`. The class counts by its share of the sequence's highest: some categories never score high.
    """
    agreed = np.where(np.isnan(agreement), 1, agreement)
    seen = np.where(visible, classes, 0)
    share = np.where(visible, seen / np.maximum(seen.max(axis=1, keepdims=True, initial=0), 1e-6), 1)
    a, c, s = POWERS
    return np.clip(agreed**a * share**c * np.clip(sharp, 0, 1) ** s, 0, 1).round(3).astype(np.float32)
