"""Which true object an anchor or a region stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mmdet_vis.structures.boxes import box_iou, box_overlaps, box_sizes

IGNORED = -1
BACKGROUND = 0


IGNORED_SHARE = 0.5
"""A box with more than this share of its area inside an ignored region is not background."""


@dataclass(frozen=True)
class SampleSettings:
    """Which boxes stand for which object, which are learned from, and their loss; the usual values of regions.

    Boxes are assigned to the object that they overlap most (Faster R-CNN, section 3.1.2; values of Mask R-CNN).

    Attributes:
        pos_iou_thr: a box belongs to its best object from this IoU on.
        neg_iou_thr: a box is background below this IoU with every object.
        min_pos_iou: the boxes that overlap an object more than all others do belong to it as well, from this IoU on.
        num: boxes sampled per image.
        pos_fraction: share of them that may stand for objects.
        beta: of the smooth L1 loss.
    """

    pos_iou_thr: float = 0.5
    neg_iou_thr: float = 0.5
    min_pos_iou: float = 0.5
    num: int = 128
    pos_fraction: float = 0.25
    beta: float = 1.0

    def assign(self, boxes: Tensor, truth: Tensor, ignored: Tensor | None = None) -> Tensor:
        """Assign boxes.

        Args:
            boxes: ``[N, 4]`` float inclusive boxes.
            truth: ``[M, 4]`` float boxes of the objects.
            ignored: ``[K, 4]`` float regions in which nothing is background.

        Returns:
            ``[N]`` int64: 0 background, ``m + 1`` object m, -1 neither.
        """
        if len(truth) and len(boxes):
            assigned = self._assign(box_iou(boxes, truth))
        else:
            assigned = torch.full((len(boxes),), BACKGROUND, dtype=torch.int64, device=boxes.device)
        if ignored is not None and len(ignored) and len(boxes):
            inside = inside_share(boxes, ignored).amax(dim=1) > IGNORED_SHARE
            assigned = torch.where(inside & (assigned == BACKGROUND), IGNORED, assigned)
        return assigned

    def _assign(self, iou: Tensor) -> Tensor:
        """``[N, M]`` IoU to assignments ``[N]``."""
        best, index = iou.max(dim=1)
        assigned = torch.where(best >= self.pos_iou_thr, index + 1, IGNORED)
        assigned = torch.where(best < self.neg_iou_thr, BACKGROUND, assigned)
        # Each object keeps its best boxes; where two objects share one, the later object has it, as in the reference.
        top = iou.amax(dim=0)
        is_top = (iou == top) & (top >= self.min_pos_iou)
        order = torch.arange(1, iou.shape[1] + 1, device=iou.device)
        claimed = (is_top * order).amax(dim=1)
        return torch.where(claimed > 0, claimed, assigned)


def inside_share(boxes: Tensor, regions: Tensor) -> Tensor:
    """Share of each box's area inside each region: ``[N, 4]`` and ``[K, 4]`` to ``[N, K]`` in [0, 1]."""
    width, height = box_sizes(boxes)
    return box_overlaps(boxes, regions) / (width * height)[:, None]


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
        assigned: ``[N]`` int64 from :meth:`SampleSettings.assign`.
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
