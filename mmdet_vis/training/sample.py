"""A balanced choice of boxes to learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_vis.training.assign import BACKGROUND

Choose = Callable[[Tensor, int], Tensor]
"""Takes indices ``[N]`` and a number; returns so many of them."""


class Sampled(NamedTuple):
    """Indices of the boxes chosen: those that stand for an object, and background."""

    positive: Tensor
    negative: Tensor


def random_choice(seed: int) -> Choose:
    """A choice that depends on the seed alone, not on the device or on what was drawn before."""
    generator = torch.Generator().manual_seed(seed)

    def choose(indices: Tensor, number: int) -> Tensor:
        order = torch.randperm(len(indices), generator=generator)[:number]
        return indices[order.to(indices.device)]

    return choose


def sample(
    assigned: Tensor, number: int, positive_share: float, choose: Choose, always: int = 0, negatives: bool = True
) -> Sampled:
    """Choose boxes (Faster R-CNN, section 3.1.3).

    Args:
        assigned: ``[N]`` int64 from :class:`MaxIoUAssigner`.
        number: boxes chosen in all; background fills up what objects leave.
        positive_share: at most this share stands for objects.
        choose: how to pick some of many.
        always: the first so many boxes stand for objects and are taken whatever the share says (the true boxes
            themselves; the published weights were trained so).
        negatives: False takes no background.
    """
    positive = (assigned > BACKGROUND).nonzero().flatten()
    limit = int(number * positive_share)
    if len(positive) > limit:
        fixed, free = positive[positive < always], positive[positive >= always]
        positive = torch.cat((fixed, choose(free, max(limit - len(fixed), 0))))
    if not negatives:
        return Sampled(positive, positive[:0])
    negative = (assigned == BACKGROUND).nonzero().flatten()
    room = max(number - len(positive), 0)
    if len(negative) > room:
        negative = choose(negative, room)
    return Sampled(positive, negative)
