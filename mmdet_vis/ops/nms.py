"""Non-maximum suppression of boxes with inclusive corners."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet_vis.ops.kernels import torchvision_ops
from mmdet_vis.structures.boxes import to_half_open


def nms(boxes: Tensor, scores: Tensor, iou_thr: float) -> Tensor:
    """Greedy NMS: suppress a box whose IoU with a better one is **greater** than ``iou_thr``.

    Args:
        boxes: ``[N, 4]`` float inclusive boxes.
        scores: ``[N]`` float.
        iou_thr: threshold in [0, 1].

    Returns:
        ``[M]`` int64 kept indices in descending score.
    """
    kept: Tensor = torchvision_ops().nms(to_half_open(boxes), scores, iou_thr)
    return kept


def multiclass_nms(
    boxes: Tensor, scores: Tensor, score_thr: float, iou_thr: float, max_num: int, cross_thr: float | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """NMS within each foreground class, then the best ``max_num`` of all classes.

    As in the reference, the detections are put in class order, and are sorted by score only when there are more than
    ``max_num`` of them. The mask NMS that follows is greedy in this order, so the published AP depends on it.

    Args:
        boxes: ``[N, 4 * C]`` float boxes of each class (class 0 is background).
        scores: ``[N, C]`` float class probabilities.
        score_thr: only scores **greater** than this are kept.
        iou_thr: see :func:`nms`.
        max_num: most detections returned.
        cross_thr: IoU above which a detection also suppresses those of other classes; the order is then that of the
            scores. None: neither, as published.

    Returns:
        boxes ``[M, 4]``, scores ``[M]`` and labels ``[M]`` int64 (0-based foreground class).
    """
    num, classes = scores.shape
    boxes = boxes.reshape(num, classes, 4)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    # Only classes with a candidate are visited: usually a handful of forty.
    candidates = scores[:, 1:] > score_thr
    for label in candidates.any(dim=0).nonzero().flatten().tolist():
        chosen = candidates[:, label]
        class_boxes, class_scores = boxes[chosen, label + 1], scores[chosen, label + 1]
        keep = nms(class_boxes, class_scores, iou_thr)
        found.append((class_boxes[keep], class_scores[keep], torch.full_like(keep, label)))
    if not found:
        return boxes.new_zeros((0, 4)), scores.new_zeros((0,)), scores.new_zeros((0,), dtype=torch.int64)
    kept_boxes, kept_scores, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    if cross_thr is not None:
        best = nms(kept_boxes, kept_scores, cross_thr)[:max_num]
        return kept_boxes[best], kept_scores[best], labels[best]
    if len(kept_scores) > max_num:
        best = kept_scores.argsort(descending=True, stable=True)[:max_num]
        kept_boxes, kept_scores, labels = kept_boxes[best], kept_scores[best], labels[best]
    return kept_boxes, kept_scores, labels
