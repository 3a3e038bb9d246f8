"""Merging batch normalisation into the convolution before it: for inference, the same function in fewer steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from timm.layers.norm_act import BatchNormAct2d
from timm.models import _efficientnet_blocks as efficientnet
from timm.models import resnet as timm_resnet
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import Bottleneck

Pair = tuple[nn.Module, str, str]
"""The owner of a convolution and of the normalisation of its output, and their names in it."""

SEQUENCES: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Bottleneck: (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    timm_resnet.BasicBlock: (("conv1", "bn1"), ("conv2", "bn2")),
    timm_resnet.Bottleneck: (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    efficientnet.ConvBnAct: (("conv", "bn1"),),
    efficientnet.DepthwiseSeparableConv: (("conv_s2d", "bn_s2d"), ("conv_dw", "bn1"), ("conv_pw", "bn2")),
    efficientnet.InvertedResidual: (
        ("conv_s2d", "bn_s2d"),
        ("conv_pw", "bn1"),
        ("conv_dw", "bn2"),
        ("conv_pwl", "bn3"),
    ),
    efficientnet.EdgeResidual: (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
}
"""Convolutions and normalisations of a block that follow each other directly."""


def block_pairs(network: nn.Module) -> Iterator[Pair]:
    """The pairs in the blocks of a network whose kind is known, and in shortcuts and deep stems of ResNets."""
    for block in network.modules():
        yield from ((block, conv, norm) for conv, norm in SEQUENCES.get(type(block), ()))
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
        setattr(owner, norm, following.act if isinstance(following, BatchNormAct2d) else nn.Identity())
        count += 1
    return count
