"""From a prompt on a frame to a mask: where a person's word enters in the place of a detection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, rois_of
from mmdet_vis.ops import nms
from mmdet_vis.structures.boxes import clip_boxes

MOST = 64
"""Proposals that are drawn for points at most."""
SAME = 0.7
"""Boxes whose IoU is larger are one proposal."""


@torch.no_grad()
def mask_of_box(
    model: SeqMaskRCNN,
    levels: Sequence[Tensor],
    box: tuple[float, float, float, float],
    label: int | None,
    image_size: tuple[int, int],
) -> NDArray[np.uint8]:
    """The mask that the mask head draws in a box.

    Args:
        levels: P2..P6 of the frame, ``[1, C, h, w]`` float32.
        box: x0, y0, x1, y1 in pixels of the resized frame, ends exclusive.
        label: 0-based category; None: the one that the box head sees there.
        image_size: (height, width) of the unpadded frame.

    Returns:
        ``[*image_size]`` uint8, 0 or 1; it may be empty.
    """
    x0, y0, x1, y1 = box
    inclusive = torch.tensor([[x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)]], device=levels[0].device)
    boxes = clip_boxes(inclusive.float(), *image_size)
    if label is None:
        label = int(model.classify(levels[:-1], rois_of(boxes, 0))[0, 1:].argmax())
    labels = torch.tensor([label], device=boxes.device)
    return model.segment_boxes(levels, [boxes], [labels], image_size)[0][0]


@torch.no_grad()
def mask_of_points(
    model: SeqMaskRCNN,
    levels: Sequence[Tensor],
    positive: Sequence[tuple[float, float]],
    negative: Sequence[tuple[float, float]],
    label: int | None,
    image_size: tuple[int, int],
) -> NDArray[np.uint8] | None:
    """The best-scoring proposal, however low its score, whose mask holds all positive points and no negative one.

    Args:
        model, levels, image_size: see :func:`mask_of_box`.
        positive, negative: x, y in pixels of the resized frame.
        label: 0-based category whose score counts; None: the best one's of each proposal.

    Returns:
        ``[*image_size]`` uint8, 0 or 1; None if there is no such proposal.
    """
    ((boxes, scores),) = model.candidates(levels, image_size)
    foreground = scores[:, 1:]
    labels = foreground.argmax(dim=1) if label is None else torch.full_like(foreground[:, 0], label, dtype=torch.int64)
    rows = torch.arange(len(scores), device=scores.device)
    boxes, values = boxes.unflatten(1, (-1, 4))[rows, labels + 1], foreground[rows, labels]
    x, y = torch.tensor(list(positive), device=boxes.device, dtype=torch.float32).t()
    holds = (boxes[:, :1] <= x) & (x <= boxes[:, 2:3]) & (boxes[:, 1:2] <= y) & (y <= boxes[:, 3:])
    chosen = holds.all(dim=1).nonzero().flatten()
    chosen = chosen[nms(boxes[chosen], values[chosen], SAME)[:MOST]]
    if not len(chosen):
        return None
    height, width = image_size

    def at(mask: NDArray[np.uint8], points: Sequence[tuple[float, float]]) -> list[bool]:
        return [bool(mask[min(int(y), height - 1), min(int(x), width - 1)]) for x, y in points]

    for mask in model.segment_boxes(levels, [boxes[chosen]], [labels[chosen]], image_size)[0]:
        if all(at(mask, positive)) and not any(at(mask, negative)):
            return mask
    return None
