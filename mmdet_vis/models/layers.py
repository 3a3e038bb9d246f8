"""Small building blocks that several parts of the network share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.fast_conv import FastConv3x3


class ConvModule(nn.Module):
    """A convolution with bias and an optional ReLU, under the parameter name ``conv`` as in MMDetection."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, relu: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.relu = relu
        if relu:
            nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(self.conv.weight)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, H, W]`` to ``[B, out, H, W]``."""
        x = self.conv(x)
        return F.relu_(x) if self.relu else x


class ResBlock(nn.Module):
    """Pre-activation residual block without normalisation (space-time memory networks, appendix).

    ``r = conv2(relu(conv1(relu(x))))``; the skip is ``x``, or a strided convolution of ``x`` (no ReLU before it) when
    the shape changes. The stride is that of ``conv1`` and of the skip.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.downsample: nn.Conv2d | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def residual(self, x: Tensor) -> Tensor:
        """The branch without the skip: ``[B, in, H, W]`` to ``[B, out, H/stride, W/stride]``."""
        return _after_relu(self.conv2, _after_relu(self.conv1, x), overwrite=True)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, H, W]`` to ``[B, out, H/stride, W/stride]``."""
        skip = x if self.downsample is None else self.downsample(x)
        return self.residual(x).add_(skip)


def _after_relu(conv: nn.Module, x: Tensor, overwrite: bool = False) -> Tensor:
    """``conv(relu(x))``, in one step where the convolution can do both; ``x`` may be overwritten if so said."""
    if isinstance(conv, FastConv3x3):
        return conv.convolve(x, relu=True)
    rectified: Tensor = F.relu(x, inplace=overwrite)
    return conv(rectified)
