"""Who competes with whom for the pixels of a frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.heads.propagation import soft_aggregate
from mmdet_vis.structures.masks import RLE, decode_masks

FIXED = 0.7
"""The probability with which masks that stay as they are take part: an object that is surer takes the pixel."""


class Arena:
    """What some objects compete with besides each other: masks that are known and stay as they are.

    Args:
        known: gives the union of other masks on a frame: ``[H, W]`` uint8, 0 or 1, at the size of the network's input
            before padding; None where there is none.
        given: by object, the frames that a person gave a mask on, and these masks.
        found: masks by object and frame, filled while objects are propagated; those of the frames that a sweep in the
            other direction has done. None where there is none.
    """

    def __init__(
        self,
        known: Callable[[int], NDArray[np.uint8] | None] = lambda time: None,
        given: Sequence[Mapping[int, RLE]] = (),
        found: Sequence[Sequence[RLE | None]] = (),
    ) -> None:
        self.known, self.given, self.found = known, given, found

    def against(self, time: int, device: torch.device, objects: Collection[int]) -> Tensor | None:
        """What objects meet on a frame besides their own masks: ``[H, W]`` float32, 0 or 1; None for nothing."""
        whole = self.known(time)
        for i, own in enumerate(self.given):
            if i not in objects and time in own:
                decoded = decode_masks([own[time]])[0]
                whole = decoded if whole is None else whole | decoded
        for i, sequence in enumerate(self.found):
            mask_found = None if i in objects or time in self.given[i] else sequence[time]
            if mask_found is not None:
                decoded = decode_masks([mask_found])[0]  # of the padded size
                whole = decoded if whole is None else whole | decoded[: whole.shape[0], : whole.shape[1]]
        return None if whole is None else torch.from_numpy(whole).to(device, torch.float32)


class _Member(Protocol):
    arena: Arena | None
    indices: list[int]

    @property
    def size(self) -> int: ...


class Side(NamedTuple):
    """Objects that compete on a frame: so many of a list, in order.

    Attributes:
        size: how many.
        arena: what else they meet.
        objects: their indices, for :meth:`Arena.against`.
    """

    size: int
    arena: Arena | None = None
    objects: tuple[int, ...] = ()

    def against(self, time: int, device: torch.device) -> Tensor | None:
        """See :meth:`Arena.against`."""
        return None if self.arena is None else self.arena.against(time, device, self.objects)


def arenas_of(groups: Sequence[_Member]) -> list[Side]:
    """Which objects of groups under way compete: those of a group, and of neighbouring groups of one arena."""
    sides = []
    for _, members in groupby(groups, key=lambda g: id(g if g.arena is None else g.arena)):
        mine = list(members)
        objects = tuple(index for g in mine for index in g.indices)
        sides.append(Side(sum(g.size for g in mine), mine[0].arena, objects))
    return sides


def compete(probability: Tensor, fixed: Tensor | None) -> Tensor:
    """Let objects compete for each pixel with each other, and with masks that stay as they are.

    Args:
        probability: ``[K, H, W]`` float32 in [0, 1].
        fixed: ``[h, w]`` of what stays, at most that size: what lies beyond is free; None: nothing.

    Returns:
        ``[K, H, W]`` float32, see :func:`~mmdet_vis.models.heads.propagation.soft_aggregate`.
    """
    if fixed is None:
        return soft_aggregate(probability)
    other = probability.new_zeros((1, *probability.shape[1:]))
    other[0, : fixed.shape[0], : fixed.shape[1]] = FIXED * fixed[: other.shape[1], : other.shape[2]]
    return soft_aggregate(torch.cat((probability, other)))[:-1]
