"""torchvision's compiled operators, without its Python side, and RoIAlign of the legacy kind on them.

That has inclusive boxes, no half-pixel shift and no smallest size.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdet_vis.structures.boxes import to_half_open


@cache
def torchvision_ops() -> Any:
    """The namespace with ``nms`` and ``roi_align``.

    Importing torchvision takes as long as importing torch (models, transforms, torch's compiler), which every start of
    a command would pay for two functions. Only inference may use them so: gradients and autocast of the operators are
    registered by torchvision itself in newer versions, so training imports it, see :func:`with_gradients`.
    """
    if "torchvision" not in sys.modules:
        spec = find_spec("torchvision")
        folders = (spec.submodule_search_locations if spec is not None else None) or ()
        libraries = [file for folder in folders for file in sorted(Path(folder).glob("_C*")) if file.is_file()]
        for library in libraries:
            try:
                torch.ops.load_library(str(library))
            except OSError:  # built for another torch, which torchvision's own import explains
                break
    if not hasattr(torch.ops.torchvision, "nms") or not hasattr(torch.ops.torchvision, "roi_align"):
        return with_gradients()
    return torch.ops.torchvision


@cache
def with_gradients() -> Any:
    """The same namespace after torchvision has registered everything that training and compiling need."""
    import torchvision

    return torchvision.ops and torch.ops.torchvision


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
