"""Pooling of regions from the pyramid level that fits their size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmdet_vis.ops import roi_align
from mmdet_vis.registry import MODELS
from mmdet_vis.structures.boxes import box_sizes


@MODELS.register_module()
class SingleRoIExtractor(nn.Module):
    """Pool each region from one level (Feature Pyramid Networks, equation 1, with the legacy constants).

    Args:
        output_size: bins per side.
        sample_num: sample points per bin and side.
        featmap_strides: strides of the levels used, finest first.
        finest_scale: regions of this many pixels (square root of the area) and less go to the finest level.
    """

    def __init__(
        self,
        output_size: int = 7,
        sample_num: int = 2,
        featmap_strides: Sequence[int] = (4, 8, 16, 32),
        finest_scale: int = 56,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.sample_num = sample_num
        self.featmap_strides = tuple(featmap_strides)
        self.finest_scale = finest_scale

    def levels_of(self, rois: Tensor) -> Tensor:
        """Level of each region: ``[N, 5]`` to ``[N]`` int64 in 0..L-1."""
        width, height = box_sizes(rois[:, 1:])
        scale = (width * height).sqrt()
        level = torch.floor(torch.log2(scale / self.finest_scale + 1e-6))
        return level.clamp(0, len(self.featmap_strides) - 1).long()

    def forward(self, levels: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Pool regions.

        Args:
            levels: P2.., ``[B, C, H_i, W_i]`` each; levels beyond the used ones are ignored.
            rois: ``[N, 5]`` float32, (image index, x1, y1, x2, y2).

        Returns:
            ``[N, C, output_size, output_size]`` float32.
        """
        used = levels[: len(self.featmap_strides)]
        size = self.output_size
        target = self.levels_of(rois)
        pooled = rois.new_zeros((len(rois), used[0].shape[1], size, size))
        for index, (features, stride) in enumerate(zip(used, self.featmap_strides, strict=True)):
            if rois.is_cuda and not torch.is_grad_enabled():
                # Every level for every region: cheaper than waiting for the device to say which are here.
                found = roi_align(features.float(), rois, size, 1.0 / stride, self.sample_num)
                pooled = torch.where((target == index)[:, None, None, None], found, pooled)
                continue
            chosen = (target == index).nonzero().flatten()
            if len(chosen):
                found = roi_align(features.float(), rois[chosen], size, 1.0 / stride, self.sample_num)
                pooled.index_copy_(0, chosen, found)
        return pooled
