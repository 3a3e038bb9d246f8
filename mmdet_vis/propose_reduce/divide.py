"""Pixels that two objects of a category both claim, after the reduction. Not in the paper.

Objects compete for pixels within the group of a key frame only. One that was proposed where another is out of sight may
take over part of that one where they meet: the other one's head, say. Each pixel belongs to one object, however.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.propose_reduce.sequence_iou import frame_overlaps
from mmdet_vis.registry import TASK_UTILS
from mmdet_vis.structures.masks import RLE, decode_masks, encode_masks


@TASK_UTILS.register_module()
class DivideOverlaps:
    """Gives what two objects of one category both cover to the one of which it is the larger part in that frame.

    Only objects that are about as sure as each other, and apart for most of their lives: a weak sequence must not eat a
    good one, and of an object and its part neither is to be cut.

    Args:
        score_share: least score of one over the other's.
        most_shared: the pixels that both cover are fewer than this share of either one's, over the whole video.
    """

    def __init__(self, score_share: float = 0.5, most_shared: float = 0.5) -> None:
        self.score_share, self.most_shared = score_share, most_shared

    def __call__(self, sequences: Sequence[Sequence[RLE]], scores: NDArray[np.float32]) -> list[list[RLE]]:
        """Divide.

        Args:
            sequences: M sequences of T masks of one size, after the reduction.
            scores: ``[M, C + 1]`` their class scores, index 0 is background.

        Returns:
            M sequences of T masks; those that nobody else claims are the same objects as before.
        """
        result = [list(masks) for masks in sequences]
        best, labels = scores[:, 1:].max(axis=1), scores[:, 1:].argmax(axis=1)
        alike = (labels[:, None] == labels) & (best[:, None] >= self.score_share * best)
        alike &= alike.T & ~np.eye(len(labels), dtype=bool)
        if not alike.any():
            return result
        shared = np.stack([frame_overlaps(frame)[0] for frame in zip(*sequences, strict=True)])
        area = np.diagonal(shared, axis1=1, axis2=2)
        life = area.sum(axis=0)
        alike &= shared.sum(axis=0) < self.most_shared * np.minimum(life[:, None], life)
        for t, one, other in zip(*np.nonzero((shared > 0) & np.triu(alike)), strict=True):
            larger, smaller = (one, other) if area[t, one] > area[t, other] else (other, one)
            cut, keeps = decode_masks([result[larger][t], sequences[smaller][t]])
            result[larger][t] = encode_masks((cut & (1 - keeps))[None])[0]
        return result
