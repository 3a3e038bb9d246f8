"""RoIAlign of the legacy kind: inclusive boxes, no half-pixel shift, no smallest size."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdet_vis.ops.kernels import torchvision_ops, with_gradients
from mmdet_vis.structures.boxes import to_half_open


def roi_align(features: Tensor, rois: Tensor, output_size: int, spatial_scale: float, sampling_ratio: int) -> Tensor:
    """Pool the features under each box into a square grid (Mask R-CNN, section 3).

    torchvision's un-aligned kernel enlarges boxes below one cell, the legacy one does not. Its aligned kernel leaves
    sizes alone but shifts by half a cell, so the boxes are shifted back by as much.

    Args:
        features: ``[B, C, H, W]`` float32.
        rois: ``[N, 5]`` float32, (image index in the batch, x1, y1, x2, y2) with inclusive corners in image pixels.
        output_size: bins per side.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: sample points per bin and side.

    Returns:
        ``[N, C, output_size, output_size]`` float32.
    """
    shifted = rois.clone()
    shifted[:, 1:] = to_half_open(rois[:, 1:]) + 0.5 / spatial_scale
    learns = torch.is_grad_enabled() and features.requires_grad
    ops = with_gradients() if learns or torch.is_autocast_enabled(features.device.type) else torchvision_ops()
    pooled: Tensor = ops.roi_align(features, shifted, spatial_scale, output_size, output_size, sampling_ratio, True)
    return pooled
