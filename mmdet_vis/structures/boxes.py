"""Boxes under the legacy convention of MMDetection 0.x: both corners belong to the box.

A box is ``(x1, y1, x2, y2)`` in pixels with width ``x2 - x1 + 1``. The published weights were trained under it, so
every size, overlap and coding in the program goes through this file; nothing else adds or subtracts that 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

MAX_RATIO = abs(math.log(16 / 1000))
"""Largest change of log width or log height that a box regression may ask for."""


def box_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Widths and heights (pixels) of ``[..., 4]`` boxes, each ``[...]``."""
    return boxes[..., 2] - boxes[..., 0] + 1, boxes[..., 3] - boxes[..., 1] + 1


def to_half_open(boxes: Tensor) -> Tensor:
    """``[..., 4]`` inclusive boxes as ``(x1, y1, x2 + 1, y2 + 1)``, the convention of torchvision's kernels."""
    # Not the sum with a tensor of ones: it would be made on the host, and a GPU would wait for it.
    return torch.cat((boxes[..., :2], boxes[..., 2:] + 1), dim=-1)


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Clip ``[..., 4]`` boxes to ``[0, width - 1] x [0, height - 1]``."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    right, bottom = width - 1, height - 1
    return torch.stack((x1.clamp(0, right), y1.clamp(0, bottom), x2.clamp(0, right), y2.clamp(0, bottom)), dim=-1)


def decode_boxes(
    boxes: Tensor, deltas: Tensor, stds: Sequence[float], image_size: tuple[int, int] | None = None
) -> Tensor:
    """Apply predicted changes to boxes (Faster R-CNN, section 3.1.2, with legacy widths and zero means).

    Args:
        boxes: ``[N, 4]`` float, anchors or proposals.
        deltas: ``[N, 4 * C]`` float, ``(dx, dy, dw, dh)`` for each of C classes.
        stds: the 4 standard deviations by which the targets were divided.
        image_size: (height, width) of the unpadded image to clip to; no clipping if None.

    Returns:
        ``[N, 4 * C]`` float boxes.
    """
    num, columns = deltas.shape
    deltas = deltas.reshape(num, columns // 4, 4) * deltas.new_tensor(stds)
    dx, dy, dw, dh = deltas.unbind(-1)
    dw, dh = dw.clamp(-MAX_RATIO, MAX_RATIO), dh.clamp(-MAX_RATIO, MAX_RATIO)
    width, height = box_sizes(boxes)
    centre_x = ((boxes[:, 0] + boxes[:, 2]) * 0.5)[:, None] + width[:, None] * dx
    centre_y = ((boxes[:, 1] + boxes[:, 3]) * 0.5)[:, None] + height[:, None] * dy
    half_w = width[:, None] * dw.exp() * 0.5
    half_h = height[:, None] * dh.exp() * 0.5
    corners = (centre_x - half_w + 0.5, centre_y - half_h + 0.5, centre_x + half_w - 0.5, centre_y + half_h - 0.5)
    decoded = torch.stack(corners, dim=-1)
    if image_size is not None:
        decoded = clip_boxes(decoded, *image_size)
    return decoded.reshape(num, columns)


def encode_boxes(boxes: Tensor, targets: Tensor, stds: Sequence[float]) -> Tensor:
    """The inverse of :func:`decode_boxes`: deltas ``[N, 4]`` that move ``boxes`` onto ``targets`` (``[N, 4]``)."""
    width, height = box_sizes(boxes)
    target_w, target_h = box_sizes(targets)
    dx = ((targets[:, 0] + targets[:, 2]) * 0.5 - (boxes[:, 0] + boxes[:, 2]) * 0.5) / width
    dy = ((targets[:, 1] + targets[:, 3]) * 0.5 - (boxes[:, 1] + boxes[:, 3]) * 0.5) / height
    deltas = torch.stack((dx, dy, torch.log(target_w / width), torch.log(target_h / height)), dim=-1)
    return deltas / deltas.new_tensor(stds)


def box_overlaps(a: Tensor, b: Tensor) -> Tensor:
    """Intersections (pixels) of ``[N, 4]`` and ``[M, 4]`` inclusive boxes: ``[N, M]``."""
    top_left = torch.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    return (bottom_right - top_left + 1).clamp(min=0).prod(dim=-1)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of ``[N, 4]`` and ``[M, 4]`` inclusive boxes: ``[N, M]`` in [0, 1]."""
    overlap = box_overlaps(a, b)
    wa, ha = box_sizes(a)
    wb, hb = box_sizes(b)
    return overlap / ((wa * ha)[:, None] + (wb * hb)[None, :] - overlap)


def mask_boxes(masks: Tensor, margin: int = 1) -> tuple[Tensor, Tensor]:
    """Tight boxes of binary masks, widened by a margin and clipped to the canvas (paper section 3.3, scoring).

    Works on the device of ``masks`` without synchronising with the host.

    Args:
        masks: ``[N, H, W]`` bool.
        margin: pixels added on each side.

    Returns:
        boxes ``[N, 4]`` float32 (zeros where the mask is empty) and ``visible`` ``[N]`` bool.
    """
    num, height, width = masks.shape
    if num == 0:
        return masks.new_zeros((0, 4), dtype=torch.float32), masks.new_zeros((0,), dtype=torch.bool)
    columns, rows = masks.any(dim=1), masks.any(dim=2)
    visible = rows.any(dim=1)

    def span(line: Tensor, size: int) -> tuple[Tensor, Tensor]:
        position = torch.arange(size, device=line.device)
        first = torch.where(line, position, size).amin(dim=1)
        last = torch.where(line, position, -1).amax(dim=1)
        return (first - margin).clamp(min=0), (last + margin).clamp(max=size - 1)

    x1, x2 = span(columns, width)
    y1, y2 = span(rows, height)
    boxes = torch.stack((x1, y1, x2, y2), dim=1).float()
    return boxes * visible[:, None], visible
