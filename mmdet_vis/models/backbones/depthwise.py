"""Depthwise convolutions in mixed precision on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def depthwise_in_float32(network: nn.Module) -> int:
    """Let the depthwise convolutions of a network train in float32 where the CPU's autocast would use bfloat16.

    The weight gradient of a 5x5 depthwise convolution takes four times as long in bfloat16 as in float32 there, which
    is a third of a training step of an EfficientNet. Other devices, and runs without autocast, are as before. This
    changes the network in place, whose parameters keep their names, and returns the number of convolutions.
    """
    count = 0
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            # A class rather than a changed method: a copy of the network must use its own weights.
            module.__class__ = _float32_class(type(module))
            count += 1
    return count


def _float32_class(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    """``kind`` with a forward pass in float32 under the CPU's autocast."""
    if issubclass(kind, _Float32Convolution):
        return kind
    return type(f"Float32{kind.__name__}", (_Float32Convolution, kind), {})


class _Float32Convolution(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        quick = not self.weight.requires_grad or (self.kernel_size == (3, 3) and self.stride == (1, 1))
        if quick or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(torch.get_autocast_dtype("cpu"))
