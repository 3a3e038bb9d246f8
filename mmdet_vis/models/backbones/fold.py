"""Merging batch normalisation into the convolution before it: for inference, the same function in fewer steps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Pair = tuple[nn.Module, str, str]
"""The owner of a convolution and of the normalisation of its output, and their names in it."""

_EFFICIENTNET = "timm.models._efficientnet_blocks"
SEQUENCES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("torchvision.models.resnet", "Bottleneck"): (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    ("timm.models.resnet", "BasicBlock"): (("conv1", "bn1"), ("conv2", "bn2")),
    ("timm.models.resnet", "Bottleneck"): (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    (_EFFICIENTNET, "ConvBnAct"): (("conv", "bn1"),),
    (_EFFICIENTNET, "DepthwiseSeparableConv"): (("conv_s2d", "bn_s2d"), ("conv_dw", "bn1"), ("conv_pw", "bn2")),
    (_EFFICIENTNET, "InvertedResidual"): (
        ("conv_s2d", "bn_s2d"),
        ("conv_pw", "bn1"),
        ("conv_dw", "bn2"),
        ("conv_pwl", "bn3"),
    ),
    (_EFFICIENTNET, "EdgeResidual"): (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
}
"""Convolutions and normalisations that follow each other directly in blocks, by module and name of their class.

By name, since importing the libraries takes seconds: a network that is here has imported its own.
"""


def block_pairs(network: nn.Module) -> Iterator[Pair]:
    """The pairs in the blocks of a network whose kind is known, and in shortcuts and deep stems of ResNets."""
    for block in network.modules():
        yield from (
            (block, conv, norm) for conv, norm in SEQUENCES.get((type(block).__module__, type(block).__name__), ())
        )
        for name in ("downsample", "conv1"):
            steps = getattr(block, name, None)
            if isinstance(steps, nn.Sequential):
                yield from ((steps, conv, norm) for conv, norm in pairwise(list(steps._modules)))


def fold(pairs: Iterable[Pair]) -> int:
    """Merge pairs in place; those that are not there or no plain convolution and batch normalisation stay.

    An activation that timm's normalisation applies stays where the normalisation was. The parameters change names,
    so do this after loading weights.

    Returns:
        how many were merged.
    """
    count = 0
    for owner, conv, norm in pairs:
        layer, following = getattr(owner, conv, None), getattr(owner, norm, None)
        if not isinstance(layer, nn.Conv2d) or not isinstance(following, nn.BatchNorm2d):
            continue
        setattr(owner, conv, fuse_conv_bn_eval(layer, following))
        setattr(owner, norm, following.act if _has_activation(following) else nn.Identity())
        count += 1
    return count


def _has_activation(norm: nn.Module) -> bool:
    """Whether it is timm's normalisation that is followed by an activation in one module."""
    timm_norms = sys.modules.get("timm.layers.norm_act")
    return timm_norms is not None and isinstance(norm, timm_norms.BatchNormAct2d)
