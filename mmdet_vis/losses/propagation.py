"""Loss of the propagation head: masks of a reference frame carried to the current one (Propose-Reduce, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_vis.losses.losses import mask_cross_entropy, soft_iou_loss
from mmdet_vis.losses.targets import Choose
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead, soft_aggregate
from mmdet_vis.structures.clip import TrainingClip


@dataclass
class Carried:
    """Objects of a clip that are carried, as rows of each frame's targets.

    Attributes:
        reference: ``[K]`` int64 rows in the first frame.
        rows: per later frame ``[K]`` int64 rows, -1 where the frame does not know the object.
    """

    reference: Tensor
    rows: list[Tensor]

    def __len__(self) -> int:
        return len(self.reference)


class Decoded(NamedTuple):
    """K objects in a frame that they were carried to, at the padded size.

    Attributes:
        logits: ``[K, H, W]`` float32, before the objects compete.
        soft: ``[K, H, W]`` float32 in [0, 1], after.
    """

    logits: Tensor
    soft: Tensor


def choose_objects(clip: TrainingClip, limit: int, choose: Choose) -> Carried:
    """Objects visible in the first and in the last frame, at most ``limit`` of them; a single frame carries none."""
    limit = limit if len(clip.frames) > 1 else 0
    first, last = clip.frames[0], clip.current
    seen_first = first.masks.flatten(1).bool().any(dim=1)
    seen_last = last.masks.flatten(1).bool().any(dim=1)
    same = (last.ids[:, None] == first.ids[None, :]) & seen_last[:, None] & seen_first[None, :]
    rows = same.any(dim=1).nonzero().flatten()
    if len(rows) > limit:
        rows = choose(rows, limit)
    ids = last.ids[rows]
    return Carried(rows_of(first.ids, ids), [rows_of(frame.ids, ids) for frame in clip.frames[1:]])


def rows_of(known: Tensor, wanted: Tensor) -> Tensor:
    """Position of each wanted id among the known ones, -1 where it is not there."""
    same = wanted[:, None] == known[None, :]
    if not known.numel():
        return torch.full_like(wanted, -1)
    return torch.where(same.any(dim=1), same.float().argmax(dim=1), -1)


def paste_soft(probability: Tensor, boxes: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Put mask probabilities into an image of (height, width), without a threshold.

    Args:
        probability: ``[N, m, m]`` float in [0, 1].
        boxes: ``[N, 4]`` float inclusive boxes; corners are truncated to integers.

    Returns:
        ``[N, height, width]`` float32, 0 outside the boxes.
    """
    height, width = canvas
    out = probability.new_zeros((len(boxes), height, width))
    for target, mask, (x1, y1, x2, y2) in zip(out, probability, boxes.long().tolist(), strict=True):
        size = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        resized = F.interpolate(mask[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        bottom, right = min(y1 + size[0], height), min(x1 + size[1], width)
        target[y1:bottom, x1:right] = resized[: bottom - y1, : right - x1]
    return out


def carry(head: SeqPropHead, p2: Tensor, masks: Tensor, terms: Sequence[FrameTerms]) -> list[Decoded]:
    """Carry objects from a reference frame through those that follow, each being remembered once it is decoded.

    Args:
        p2: ``[1, C, H/4, W/4]`` finest pyramid level of the reference frame.
        masks: ``[K, h, w]`` float in [0, 1], the objects in the reference frame.
        terms: of the frames that follow, B = 1 each.
    """
    key, value = head.memorize(p2, masks)
    keys, values = [key], [value]
    found: list[Decoded] = []
    for frame in terms:
        if found:
            key, value = head.memorize(terms[len(found) - 1].p2, found[-1].soft)
            keys.append(key)
            values.append(value)
        read = head.read(frame.query_key[0], torch.cat(keys, dim=1), torch.cat(values, dim=1))
        logits = head.decode_logits(read, frame)
        found.append(Decoded(logits, soft_aggregate(logits.sigmoid())))
    return found


def propagation_loss(found: Sequence[Decoded], clip: TrainingClip, carried: Carried, bce_weight: float = 0.0) -> Tensor:
    """Sum over objects of one clip of the soft IoU loss, averaged over the frames that they are carried to.

    The pixels' cross entropy before objects compete, which the paper does without, has the weight ``bce_weight``.
    """
    total = found[-1].soft.new_zeros(())
    for (logits, soft), frame, rows in zip(found, clip.frames[1:], carried.rows, strict=True):
        truth = soft.new_zeros(soft.shape)
        height, width = frame.masks.shape[-2:]
        known = rows >= 0
        truth[known, :height, :width] = frame.masks[rows[known]].to(truth.dtype)
        # An object that is hidden in a frame between has no overlap to gain there.
        shown = truth.flatten(1).any(dim=1)
        total = total + (soft_iou_loss(soft, truth) * shown).sum()
        if bce_weight:
            total = total + bce_weight * mask_cross_entropy(logits, truth).sum()
    return total / len(found)
