"""Loss of the region proposal network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_vis.losses.losses import smooth_l1
from mmdet_vis.losses.targets import Choose, SampleSettings, sample
from mmdet_vis.models.heads.rpn import RPN_STDS
from mmdet_vis.structures.boxes import encode_boxes
from mmdet_vis.structures.clip import FrameTargets


@dataclass(frozen=True)
class RPNSettings(SampleSettings):
    """What the proposal network learns from (config ``train_cfg.rpn``)."""

    pos_iou_thr: float = 0.7
    neg_iou_thr: float = 0.3
    min_pos_iou: float = 0.3
    num: int = 64
    pos_fraction: float = 0.5
    beta: float = 1 / 9


@dataclass
class AnchorTargets:
    """Sampled anchors of a batch: indices into the flattened ``[B * A_total]`` anchors and what they should say.

    Attributes:
        index: ``[S]`` int64.
        level: ``[S]`` int64 pyramid level of each.
        is_object: ``[S]`` float32, 0 or 1; those that are come with a row of ``deltas``.
        positive: ``[P]`` int64, positions of the objects in ``index``.
        deltas: ``[P, 4]`` float32.
        normaliser: objects plus background, each at least one per image.
    """

    index: Tensor
    level: Tensor
    is_object: Tensor
    positive: Tensor
    deltas: Tensor
    normaliser: int


@dataclass
class RPNLoss:
    """Sums per pyramid level, to be divided by ``normaliser``: ``classification`` and ``regression``, both ``[L]``."""

    classification: Tensor
    regression: Tensor
    normaliser: float


def inside(anchors: Tensor, size: tuple[int, int]) -> Tensor:
    """Which anchors ``[A, 4]`` lie wholly in an image of (height, width): ``[A]`` bool."""
    x1, y1, x2, y2 = anchors.unbind(dim=1)
    return (x1 >= 0) & (y1 >= 0) & (x2 < size[1]) & (y2 < size[0])


def anchor_targets(
    grids: Sequence[Tensor],
    targets: Sequence[FrameTargets],
    sizes: Sequence[tuple[int, int]],
    exhaustive: Sequence[bool],
    choosers: Sequence[Choose],
    settings: RPNSettings,
) -> AnchorTargets:
    """Choose anchors and say what they should predict.

    Args:
        grids: anchors of each level, ``[A_l, 4]``.
        targets: objects of B images.
        sizes: (height, width) of the unpadded images; anchors that leave them are not used.
        exhaustive: images of which False have unlabelled objects: no background is taken from them.
    """
    anchors = torch.cat(list(grids))
    levels = torch.cat([torch.full((len(g),), i, device=g.device) for i, g in enumerate(grids)])
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    deltas: list[Tensor] = []
    normaliser = 0
    for image, (target, size, full, choose) in enumerate(zip(targets, sizes, exhaustive, choosers, strict=True)):
        usable = inside(anchors, size).nonzero().flatten()
        assigned = settings.assign(anchors[usable], target.boxes, target.ignored)
        chosen = sample(assigned, settings.num, settings.pos_fraction, choose, negatives=full)
        matched = target.boxes[assigned[chosen.positive] - 1]
        deltas.append(encode_boxes(anchors[usable[chosen.positive]], matched, RPN_STDS))
        index = usable[torch.cat(chosen)]
        is_object = torch.zeros(len(index), device=anchors.device)
        is_object[: len(chosen.positive)] = 1
        parts.append((index + image * len(anchors), levels[index], is_object))
        normaliser += max(len(chosen.positive), 1) + max(len(chosen.negative), 1)
    index, level, is_object = (torch.cat(p) for p in zip(*parts, strict=True))
    return AnchorTargets(index, level, is_object, is_object.nonzero().flatten(), torch.cat(deltas), normaliser)


def rpn_loss(logits: Sequence[Tensor], deltas: Sequence[Tensor], targets: AnchorTargets, beta: float) -> RPNLoss:
    """Loss of what the proposal network says of the sampled anchors (Faster R-CNN, equation 1).

    The logits and deltas are, per level, ``[B, H, W, A]`` and ``[B, H, W, 4 * A]``; ``beta`` is of the smooth L1 loss.
    """
    scores = torch.cat([x.flatten(1) for x in logits], dim=1).flatten()[targets.index].float()
    changes = torch.cat([x.reshape(len(x), -1, 4) for x in deltas], dim=1).flatten(0, 1)
    changes = changes[targets.index[targets.positive]].float()
    entropy = F.binary_cross_entropy_with_logits(scores, targets.is_object, reduction="none")
    distance = smooth_l1(changes, targets.deltas, beta).sum(dim=1)
    per_level = scores.new_zeros(len(logits))
    return RPNLoss(
        per_level.index_add(0, targets.level, entropy),
        per_level.index_add(0, targets.level[targets.positive], distance),
        targets.normaliser,
    )
