"""Feature pyramid network."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.layers import ConvModule
from mmdet_vis.registry import MODELS


@MODELS.register_module()
class FPN(nn.Module):
    """Feature Pyramid Network (Lin et al., 2017) with one extra, pooled level for the RPN.

    Args:
        in_channels: channels of the backbone stages; the builder fills them in from the backbone unless told.
        out_channels: channels of every level.
        num_outs: levels returned; those beyond the backbone's stages are strided copies of the last.
        lateral_gain: gain of the lateral convolutions' initial weights, for training from ImageNet weights: below 1
            where the backbone's features are large, as those of EfficientNets, which end without an activation. A mask
            is written into P2 as a summand (propagation head), so P2 should not drown it.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int = 256, num_outs: int = 5, lateral_gain: float = 1.0
    ) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvModule(c, out_channels, 1) for c in in_channels)
        self.fpn_convs = nn.ModuleList(ConvModule(out_channels, out_channels, 3) for _ in in_channels)
        if lateral_gain != 1.0:
            for module in self.lateral_convs:
                nn.init.xavier_uniform_(module.get_parameter("conv.weight"), gain=lateral_gain)
        self.out_channels = out_channels
        self.num_outs = num_outs

    def forward(self, stages: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """C2..C5 ``[B, C_i, H_i, W_i]`` to P2..P6 ``[B, out_channels, H_i, W_i]`` (P6 is ceil(P5 / 2))."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, stages, strict=True)]
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + F.interpolate(laterals[i], scale_factor=2, mode="nearest")
        levels = [conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=True)]
        while len(levels) < self.num_outs:
            levels.append(F.max_pool2d(levels[-1], kernel_size=1, stride=2))
        return tuple(levels)
