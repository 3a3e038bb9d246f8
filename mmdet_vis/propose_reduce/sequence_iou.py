"""Overlap of masks and of whole sequences, on run-length codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.structures.masks import RLE, areas


def frame_overlaps(rles: Sequence[RLE]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Intersections and unions of all pairs of the N masks of one frame, which have one size.

    One ``mask.iou`` call gives I / U of every pair; with U = A + B - I and known areas, I = r (A + B) / (1 + r), which
    rounds to the exact integer.

    Returns:
        intersections and unions in pixels, each ``[N, N]`` int64.
    """
    area = areas(rles)
    total = area[:, None] + area[None, :]
    visible = np.flatnonzero(area)
    intersection = np.zeros((len(area), len(area)), np.int64)
    if len(visible):
        shown = [rles[int(i)] for i in visible]
        ratio = np.asarray(coco_mask.iou(shown, shown, [0] * len(shown)), np.float64)
        exact = np.rint(ratio * total[np.ix_(visible, visible)] / (1 + ratio)).astype(np.int64)
        intersection[np.ix_(visible, visible)] = exact
    return intersection, total - intersection


def sequence_iou(sequences: Sequence[Sequence[RLE]]) -> NDArray[np.float64]:
    """IoU of all pairs of N sequences of T masks (paper section 3.3, equation 2): ``[N, N]`` float64 in [0, 1].

    That is intersections over unions, both summed over time; 0 where both sequences are empty.
    """
    return sequence_overlaps(sequences)[0]


def sequence_overlaps(sequences: Sequence[Sequence[RLE]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """:func:`sequence_iou`, and how far each sequence lies inside each other one.

    Returns:
        ``[N, N]`` IoU, and ``[N, N]`` float64 in [0, 1]: the least share, over the frames in which the row's sequence
        is visible, of its mask that the column's covers; 0 for one that is never visible.
    """
    num = len(sequences)
    intersection = np.zeros((num, num), np.int64)
    union = np.zeros((num, num), np.int64)
    inside, seen = np.ones((num, num)), np.zeros(num, bool)
    for frame in zip(*sequences, strict=True):
        i, u = frame_overlaps(frame)
        intersection += i
        union += u
        area = np.diagonal(i)
        visible = area > 0
        inside[visible] = np.minimum(inside[visible], i[visible] / area[visible, None])
        seen |= visible
    return intersection / np.maximum(union, 1), inside * seen[:, None]


def mask_nms(rles: Sequence[RLE], iou_thr: float) -> list[int]:
    """Greedy removal of overlapping masks of one frame, best first: indices of those that are kept.

    A mask is kept if its IoU with every mask kept before is **below** ``iou_thr`` (compared in float32, as in the
    reference). Two empty masks do not overlap.
    """
    if not rles:
        return []
    intersection, union = frame_overlaps(rles)
    with np.errstate(invalid="ignore"):
        iou = intersection.astype(np.float32) / union.astype(np.float32)
    kept: list[int] = []
    for index in range(len(rles)):
        if not (iou[index, kept] >= np.float32(iou_thr)).any():
            kept.append(index)
    return kept
