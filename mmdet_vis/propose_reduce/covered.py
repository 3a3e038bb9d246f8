"""The fast profile's shortcut: detections that a propagated sequence already covers are not propagated again."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet_vis.propose_reduce.collect import FOREGROUND_THR
from mmdet_vis.propose_reduce.propose import Group


def uncovered(group: Group, soft: Tensor, iou_thr: float) -> list[int]:
    """Objects of a key frame that no sequence under way covers there.

    Args:
        group: K detected objects.
        soft: ``[N, H, W]`` float, soft masks at the key frame of the sequences that have reached it.
        iou_thr: an object whose mask IoU with one of them is at least this is covered.

    Returns:
        Indices of the uncovered objects.
    """
    detected = group.binary_masks(soft.device)
    height, width = detected.shape[1:]
    # Padding holds no detection, so the propagated masks are compared inside the image only.
    propagated = (soft[:, :height, :width] >= FOREGROUND_THR).float()
    a, b = detected.flatten(1), propagated.flatten(1)
    overlap = a @ b.t()
    union = a.sum(dim=1)[:, None] + b.sum(dim=1)[None, :] - overlap
    covered = (overlap >= iou_thr * union.clamp(min=1)).any(dim=1)
    return torch.nonzero(~covered).flatten().tolist()
