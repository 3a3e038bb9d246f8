"""The masks' part of a strided convolution of (features + encoded masks), without the convolution over all channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mask_skip(masks: Tensor, position: nn.Conv2d, down: nn.Conv2d, composed: Tensor) -> Tensor:
    """``down(position(masks))`` less the share of both biases: two linear maps are one, from a single channel.

    The composed kernel sees ``position`` continued by one row and one column above and left of the map, where ``down``
    has its padding of zeros: their share is taken off the first row and the first column. Below and at the right,
    ``down`` does not reach beyond an even map.

    Args:
        masks: ``[N, 1, h, w]``, h and w even and above 2.
        position: from 1 channel to C, 7x7, stride 1, padding 3.
        down: from C channels to D, 3x3, stride 2, padding 1.
        composed: :func:`compose` of their weights.

    Returns:
        ``[N, D, h/2, w/2]``.
    """
    out = F.conv2d(masks, composed, stride=2, padding=4)
    above = F.conv2d(F.pad(masks[:, :, :3], (4, 3, 4, 0)), position.weight)  # row -1 from column -1 on
    out[:, :, :1] -= F.conv2d(above, down.weight[:, :, :1], stride=(1, 2))
    left = F.conv2d(F.pad(masks[..., :3], (4, 0, 3, 3)), position.weight)  # column -1 from row 0 on
    out[..., :1] -= F.conv2d(F.pad(left, (0, 0, 1, 0)), down.weight[..., :1], stride=(2, 1))
    return out


def compose(position: Tensor, down: Tensor) -> Tensor:
    """The kernel ``[D, 1, 9, 9]`` of ``position`` ``[C, 1, 7, 7]`` followed by ``down`` ``[D, C, 3, 3]``."""
    # A correlation with one kernel after the other is that with their convolution.
    precise = torch.promote_types(down.dtype, torch.float32)
    flipped = position.to(precise).transpose(0, 1).flip(2, 3)
    return F.conv2d(down.to(precise), flipped, padding=6).to(down.dtype)
