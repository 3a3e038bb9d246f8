"""Anchors of the region proposal network, with the legacy rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class AnchorGenerator:
    """One set of anchors per pyramid level.

    Args:
        scales: anchor sizes in units of the stride.
        ratios: heights over widths.
        strides: image pixels per cell of each level; also the base size of the anchors.
    """

    def __init__(self, scales: Sequence[float], ratios: Sequence[float], strides: Sequence[int]) -> None:
        self.strides = tuple(strides)
        self.num_base_anchors = len(scales) * len(ratios)
        self.base_anchors = [self._base(stride, scales, ratios) for stride in strides]

    @staticmethod
    def _base(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
        """Anchors of the cell at the origin: ``[A, 4]`` float32, corners rounded half to even."""
        centre = 0.5 * (stride - 1)
        root = torch.tensor(ratios, dtype=torch.float32).sqrt()
        scale = torch.tensor(scales, dtype=torch.float32)
        width = ((stride / root)[:, None] * scale[None, :]).flatten()
        height = ((stride * root)[:, None] * scale[None, :]).flatten()
        half_w, half_h = 0.5 * (width - 1), 0.5 * (height - 1)
        return torch.stack((centre - half_w, centre - half_h, centre + half_w, centre + half_h), dim=1).round()

    def grid(self, level: int, height: int, width: int, device: torch.device) -> Tensor:
        """Anchors of a whole feature map: ``[height * width * A, 4]``, cells row by row, then the ratios."""
        stride = self.strides[level]
        xs = torch.arange(width, device=device, dtype=torch.float32) * stride
        ys = torch.arange(height, device=device, dtype=torch.float32) * stride
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        shifts = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
        return (shifts + self.base_anchors[level].to(device)).reshape(-1, 4)
