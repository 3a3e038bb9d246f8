"""Convolutions of a backbone with their activation in one step, and without padding copies: for inference on the CPU.

The activation is applied while the result is in the cache, and the one-sided padding of TensorFlow's convolutions is
part of the kernel: a network of depthwise convolutions spends half of its time on passing over its maps otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.backbones.fold import Pair

ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}
"""oneDNN's names."""


class FusedConv(nn.Module):
    """A convolution and the activation that follows it.

    Args:
        conv: 2-D; with zero padding, or padded as TensorFlow's "SAME" if it is timm's :class:`Conv2dSame`.
        activation: one of :data:`ACTIVATIONS`, or None.

    Raises:
        ValueError: padding that this cannot do.
    """

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.stride, self.dilation, self.groups = list(conv.stride), list(conv.dilation), conv.groups
        weight, self.even_only = conv.weight.data, False
        if any(kind.__name__ == "Conv2dSame" for kind in type(conv).__mro__):  # or a class made of it
            weight, self.padding = same_kernel(conv)
            self.even_only = conv.stride[0] == 2
        elif isinstance(conv.padding, str) or conv.padding_mode != "zeros":
            raise ValueError("padding by name or other than with zeros")
        else:
            self.padding = list(conv.padding)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.data, requires_grad=False)
        self.activation, self.limits = ("none", []) if activation is None else ACTIVATIONS[type(activation)]

    def forward(self, x: Tensor) -> Tensor:
        """``[B, in, H, W]`` to ``[B, out, H', W']``; H and W even where TensorFlow's padding meets a stride of 2."""
        if self.even_only and (x.shape[-2] % 2 or x.shape[-1] % 2):
            raise ValueError(f"maps of {x.shape[-1]}x{x.shape[-2]}: a stride of 2 with this padding needs even sizes")
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, self.activation,
            self.limits, "",
        )  # fmt: skip


def same_kernel(conv: nn.Conv2d) -> tuple[Tensor, list[int]]:
    """Kernel and even padding that do what TensorFlow's "SAME" does.

    With stride 1 or a kernel of 1 it is even anyway. With stride 2 and even maps it is one less before than after: a
    kernel with two more rows and columns, of zeros, in front, and as much padding.

    Raises:
        ValueError: another stride or dilation, or an even kernel.
    """
    (height, width), stride = conv.kernel_size, conv.stride[0]
    if stride not in (1, 2) or conv.stride[1] != stride or conv.dilation != (1, 1) or not (height % 2 and width % 2):
        raise ValueError("SAME padding with this stride, dilation or kernel")
    weight = conv.weight.data
    if stride == 1 or (height, width) == (1, 1):
        return weight, [height // 2, width // 2]
    # Before: (k - 2) // 2 rows; after: the rest of k - 2.
    return F.pad(weight, (2, 0, 2, 0)), [(height - 2) // 2 + 2, (width - 2) // 2 + 2]


def fuse_pairs(pairs: Iterable[Pair]) -> int:
    """Replace convolutions, and the activations that stand where their merged normalisations were, in place.

    Args:
        pairs: see :mod:`mmdet_vis.models.backbones.fold`, after ``fold``.

    Returns:
        how many convolutions were replaced.
    """
    count = 0
    for owner, conv, after in pairs:
        layer, following = getattr(owner, conv, None), getattr(owner, after, None)
        if not isinstance(layer, nn.Conv2d) or type(following) not in (nn.Identity, *ACTIVATIONS):
            continue
        try:
            setattr(owner, conv, FusedConv(layer, None if type(following) is nn.Identity else following))
        except ValueError:
            continue
        setattr(owner, after, nn.Identity())
        count += 1
    return count
