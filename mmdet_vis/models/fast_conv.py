"""3x3 convolutions of a network, done with fewer multiplications where the device would not do so by itself."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

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
    the weights; it is made when first needed, and again after the weights change. Changes past autograd, through
    ``.data`` or NumPy, are not seen.
    """

    _kernel: Tensor | None = None
    _made_from: tuple[Tensor, int | None] | None = None

    @classmethod
    def of(cls, conv: nn.Conv2d) -> FastConv3x3:
        """Make one of a convolution for which :func:`fits` holds, in place."""
        conv.__class__ = cls
        return cast(FastConv3x3, conv)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` to ``[N, out, H, W]``."""
        return self.convolve(x, relu=False)

    def convolve(self, x: Tensor, relu: bool) -> Tensor:
        """The convolution of ``x`` or of ``relu(x)``; ``[N, in, H, W]`` to ``[N, out, H, W]``."""
        if not self._pays(x):
            return super().forward(F.relu(x) if relu else x)
        return conv3x3(x, self._transformed(), self.bias, relu)

    def _transformed(self) -> Tensor:
        weight = self.weight
        version = None if weight.is_inference() else weight._version  # writing to a tensor counts its version up
        kernel, made_from = self._kernel, self._made_from
        if kernel is None or made_from is None or made_from[0] is not weight or made_from[1] != version:
            kernel = transform_kernel(weight)
            self._kernel, self._made_from = kernel, (weight, version)
        return kernel

    def _apply(self, *args: Any, **kwargs: Any) -> FastConv3x3:
        self._kernel = self._made_from = None  # a cast or a move changes the weights within their tensor
        super()._apply(*args, **kwargs)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kernel": None, "_made_from": None}  # copies and pickles make their own

    def pending_bytes(self) -> int:
        """What the kernel will take, if it is not made yet."""
        return 0 if self._kernel is not None else 4 * self.weight.numel() * self.weight.element_size()

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
        and isinstance(conv.weight, nn.Parameter)  # not one that is computed anew for every call
        and not (conv._forward_hooks or conv._forward_pre_hooks)
    )


def use_fast_convolutions(network: nn.Module) -> None:
    """Change every convolution that :func:`fits`, in place."""
    for module in network.modules():
        if fits(module):
            FastConv3x3.of(module)


def use_direct_convolutions(network: nn.Module) -> None:
    """Undo :func:`use_fast_convolutions`."""
    for module in network.modules():
        if isinstance(module, FastConv3x3):
            module._kernel = module._made_from = None
            module.__class__ = nn.Conv2d  # type: ignore[assignment]


def pending_bytes(network: nn.Module) -> int:
    """Bytes of transformed kernels that a network may still make."""
    return sum(m.pending_bytes() for m in network.modules() if isinstance(m, FastConv3x3))
