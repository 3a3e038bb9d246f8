"""How well two runs on one clip agree, sequence by sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.structures import RLE, areas

SMALL = 100
"""Pixels up to which a mask is not compared."""

Proposals = tuple[list[list[RLE]], NDArray[np.float32]]
"""N lists of T RLEs, and class scores ``[N, C + 1]``, before the reduction."""


def agreement(name: str, reference: Proposals, other: Proposals, score_thr: float) -> str:
    """One line: mean and worst mask IoU per frame, and mean and worst difference of the scores.

    Sequences of the reference are matched to the best overlapping one of the other run; frames count in which either
    mask has more than :data:`SMALL` pixels, and sequences whose foreground score in the reference is at least
    ``score_thr``, in [0, 1]. The name begins the line.
    """
    best = reference[1][:, 1:].max(axis=1)
    chosen = [i for i in range(len(best)) if best[i] >= score_thr]
    found = f"{name:36} {len(chosen):3d} of {len(best)} sequences, the other run has {len(other[0])}"
    if not chosen or not other[0]:
        return f"{found}: nothing to compare above score {score_thr}"
    ious, differences = [], []
    for i in chosen:
        overlap = sequence_iou([reference[0][i], *other[0]])[0, 1:]
        match = int(overlap.argmax())
        for a, b in zip(reference[0][i], other[0][match], strict=True):
            # A few pixels in both say nothing; where only one is that small, the two differ.
            if max(areas([a, b])) > SMALL:
                ious.append(float(coco_mask.iou([a], [b], [0])[0, 0]))
        differences.append(abs(float(other[1][match, 1:].max()) - float(best[i])))
    score = f"score difference mean {np.mean(differences):.5f}, worst {np.max(differences):.5f}"
    if not ious:
        return f"{found}; no mask above {SMALL} pixels; {score}"
    return f"{found}; per-frame mask IoU mean {np.mean(ious):.4f}, worst {np.min(ious):.4f}; {score}"
