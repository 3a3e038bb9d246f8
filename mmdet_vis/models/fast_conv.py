"""3x3 convolutions of a network, done with fewer multiplications where the device would not do so by itself."""

from __future__ import annotations

from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.ops.winograd import TILE, conv3x3, transform_kernel

MIN_CHANNELS = 128
"""With fewer channels the transforms cost more than the products save."""

MIN_TILES = 60
"""With fewer tiles of outputs, reading the 36 kernels takes longer than the products."""

MAX_THREADS = 16
"""The 36 products are shared out among the threads: with many more, some would have nothing to do."""


class FastConv3x3(nn.Conv2d):
    """A convolution that takes :func:`mmdet_vis.ops.winograd.conv3x3` where that is faster, and is a direct one else.

    It is direct, too, wherever gradients are asked for. The kernel in transformed form takes four times the memory of
    the weights; it is made when first needed, and again after the weights change.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        """Share the parameters of a convolution for which :func:`fits` holds."""
        super().__init__(conv.in_channels, conv.out_channels, 3, padding=1, bias=conv.bias is not None, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        self._kernel: Tensor | None = None
        self._made_from: tuple[int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` to ``[N, out, H, W]``."""
        return self.convolve(x, relu=False)

    def convolve(self, x: Tensor, relu: bool) -> Tensor:
        """The convolution of ``x`` or of ``relu(x)``; ``[N, in, H, W]`` to ``[N, out, H, W]``."""
        if not self._pays(x):
            return super().forward(F.relu(x) if relu else x)
        return conv3x3(x, self._transformed(), self.bias, relu)

    def _transformed(self) -> Tensor:
        state = self.weight.data_ptr(), self.weight._version  # writing to a tensor counts its version up
        if self._kernel is None or self._made_from != state:
            self._kernel, self._made_from = transform_kernel(self.weight), state
        return self._kernel

    def _pays(self, x: Tensor) -> bool:
        number, _, height, width = x.shape
        return (
            x.dtype == self.weight.dtype == torch.float32
            and x.device.type == "cpu"
            and number * -(-height // TILE) * -(-width // TILE) >= MIN_TILES
            and torch.get_num_threads() <= MAX_THREADS
            and not torch.is_grad_enabled()
        )


def fits(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a plain 3x3 convolution in float32 on the CPU, with enough channels."""
    return (
        type(conv) is nn.Conv2d
        and (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        and conv.groups == 1
        and conv.padding_mode == "zeros"
        and min(conv.in_channels, conv.out_channels) >= MIN_CHANNELS
        and conv.weight.dtype == torch.float32
        and conv.weight.device.type == "cpu"
    )


def use_fast_convolutions(network: nn.Module) -> None:
    """Replace every convolution that :func:`fits`; parameters and their names stay."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if fits(child):
                setattr(parent, name, FastConv3x3(child))


def use_direct_convolutions(network: nn.Module) -> None:
    """Undo :func:`use_fast_convolutions`."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, FastConv3x3):
                conv = nn.Conv2d(
                    child.in_channels, child.out_channels, 3, padding=1, bias=child.bias is not None, device="meta"
                )
                conv.weight, conv.bias = child.weight, child.bias
                setattr(parent, name, conv)
