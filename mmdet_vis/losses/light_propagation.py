"""Training of the light propagation head alone, on a backbone that stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.losses.losses import mask_cross_entropy, soft_iou_loss
from mmdet_vis.losses.propagation import rows_of
from mmdet_vis.losses.step import TrainingStep
from mmdet_vis.models.heads.light_propagation import LightPropHead, LightTerms, rivals_of
from mmdet_vis.models.heads.propagation import soft_aggregate
from mmdet_vis.structures.clip import TrainingClip

SHUFFLED_SHARE = 0.25
"""Share of the clips whose frames after the first come in any order: jumps, and objects that return."""

FORGOTTEN_SHARE = 0.15
"""Share of the clips in which the masks of the frame before are withheld, so that the memory alone must do."""


class FrameLosses(NamedTuple):
    """Sums over objects, for one frame."""

    iou: Tensor
    entropy: Tensor
    seen: Tensor
    match: Tensor


class LightPropagationStep(TrainingStep):
    """Losses of the light propagation head on a batch of clips; the rest of the network is frozen.

    The stages of the backbone are computed without gradients, by a copy with merged normalisations in the precision of
    the pass. ``arguments`` as of :class:`TrainingStep`.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if not isinstance(self.model.prop_head, LightPropHead):
            raise TypeError("train_cfg.prop.only needs a propagation head of the type LightPropHead")
        self.model.requires_grad_(False)
        self.model.prop_head.requires_grad_(True)
        self._frozen: list[nn.Module] = []

    def train(self, mode: bool = True) -> LightPropagationStep:
        """Only the propagation head is trained."""
        super().train(mode)
        self.model.eval()
        self.model.prop_head.train(mode)
        return self

    @torch.no_grad()
    def stages(self, images: Tensor) -> list[Tensor]:
        """C2, C3 and C4 of normalised images ``[B, 3, H, W]`` (float32)."""
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        with torch.autocast(kind, enabled=False):
            if not self._frozen:
                frozen = copy.deepcopy(self.model.backbone).eval()
                if hasattr(frozen, "fold_batch_norm"):
                    frozen.fold_batch_norm()
                if kind == "cpu" and hasattr(frozen, "fuse"):
                    frozen.fuse()
                self._frozen.append(frozen.to(dtype))
            return [x.float() for x in self._frozen[0](images.to(dtype))[:3]]

    def forward(self, clips: Sequence[TrainingClip]) -> dict[str, Tensor]:
        """Losses of B clips on the network's device.

        Returns:
            scalars ``loss_prop`` (soft IoU), ``loss_prop_bce``, ``loss_prop_seen`` (visibility), ``loss_prop_match``
            (what the attention alone says of where the objects are), each a mean over objects and frames, and ``iou``,
            the mean IoU in percent in the clips' last frames.
        """
        head: LightPropHead = self.model.prop_head
        stages = [self.stages(self.pad([clip.images])) for clip in clips]
        if not head.norm2.measured:
            for index, norm in enumerate((head.norm2, head.norm3, head.norm4)):
                norm.measure([maps[index] for maps in stages])
        total = torch.zeros(4, device=self.mean.device)
        number, overlap, ended = 0, total.new_zeros(()), 0
        for clip, maps in zip(clips, stages, strict=True):
            losses, iou = self._clip(head, clip, maps)
            if losses:
                total = total + torch.stack([torch.stack(frame) for frame in losses]).sum(dim=0)
                number += len(losses) * len(iou)
                overlap, ended = overlap + iou.sum(), ended + len(iou)
        weight = self.settings.prop.bce_weight
        means = total / max(number, 1)
        return {
            "loss_prop": means[0],
            "loss_prop_bce": weight * means[1],
            "loss_prop_seen": 0.2 * means[2],
            "loss_prop_match": weight * means[3],
            "iou": 100 * overlap / max(ended, 1),
        }

    def _clip(self, head: LightPropHead, clip: TrainingClip, maps: list[Tensor]) -> tuple[list[FrameLosses], Tensor]:
        """Losses of each frame but the first, and the IoU ``[K]`` of each object in the last."""
        chance = torch.Generator().manual_seed(clip.seed)
        first = clip.frames[0]
        rows = (first.masks.flatten(1).sum(dim=1) >= 16).nonzero().flatten()
        if len(rows) > self.settings.prop.max_objects:
            rows = self.chooser(clip.seed)(rows, self.settings.prop.max_objects)
        if not len(rows):
            return [], maps[0].new_zeros(0)
        order = list(range(len(clip.images)))
        if torch.rand((), generator=chance).item() < SHUFFLED_SHARE:
            order = [0, *(1 + i for i in torch.randperm(len(order) - 1, generator=chance).tolist())]
        terms = head.encode_frame([x[order] for x in maps])
        size = (terms.skip2.shape[-2], terms.skip2.shape[-1])
        start = head.shrink(first.masks[rows], size)
        truth, known = [start], []
        for index in order[1:]:
            frame = clip.frames[index]
            place = rows_of(frame.ids, first.ids[rows])
            known.append(place >= 0)
            masks = frame.masks.new_zeros((len(rows), *frame.masks.shape[-2:]))
            masks[known[-1]] = frame.masks[place[known[-1]]]
            truth.append(head.shrink(masks, size))
        if torch.rand((), generator=chance).item() >= self.settings.prop.true_mask_share:
            start = roughen(start, chance)
        forget = torch.rand((), generator=chance).item() < FORGOTTEN_SHARE
        return self._carry(head, terms, start, truth, known, forget)

    def _carry(
        self, head: LightPropHead, terms: LightTerms, start: Tensor, truth: list[Tensor], known: list[Tensor],
        forget: bool,
    ) -> tuple[list[FrameLosses], Tensor]:  # fmt: skip
        keys, values, losses, before = [], [], [], start
        iou = start.new_zeros(len(start))
        for t in range(1, len(truth)):
            past, now = terms[slice(t - 1, t)], terms[slice(t, t + 1)]
            rivals = rivals_of(before, [len(before)])
            keys.append(past.key[0].flatten(1).t())
            values.append(head.memorize(past, before, rivals).transpose(0, 1).float())
            attention = [head.attend(now, key, just_before=i == t - 1) for i, key in enumerate(keys)]
            read = head.read(attention, torch.cat(values))
            shown = (before, rivals) if not forget else (torch.zeros_like(before), torch.zeros_like(before))
            found = head.decode(read, now, *shown)
            before = soft_aggregate(found.logits.sigmoid())
            losses.append(
                frame_losses(found.logits, found.visible, before, read[..., -2].float(), truth[t], known[t - 1])
            )
            with torch.no_grad():
                drawn, true = before > 0.5, truth[t] > 0.5
                union = (drawn | true).flatten(1).sum(dim=1)
                iou = (drawn & true).flatten(1).sum(dim=1) / union.clamp(min=1)
                iou[union == 0] = 1
        return losses, iou


def frame_losses(
    logits: Tensor, visible: Tensor, soft: Tensor, match: Tensor, truth: Tensor, known: Tensor
) -> FrameLosses:
    """Losses of K objects in one frame, summed.

    Args:
        logits, soft, truth: ``[K, h, w]`` of the decoder, after objects competed, and as annotated.
        visible: ``[K]`` logits.
        match: ``[K, P]`` share of the object in what the attention reads, at a quarter of ``h`` and ``w``.
        known: ``[K]`` bool, whether the frame is annotated for each object.
    """
    shown = truth.flatten(1).sum(dim=1) > 0.5
    coarse = F.avg_pool2d(truth[:, None], 4).flatten(1)
    apart = F.binary_cross_entropy(match.clamp(1e-4, 1 - 1e-4), coarse, reduction="none").mean(dim=1)
    there = F.binary_cross_entropy_with_logits(visible, shown.float(), reduction="none")
    return FrameLosses(
        (soft_iou_loss(soft, truth) * (shown & known)).sum(), (mask_cross_entropy(logits, truth) * known).sum(),
        (there * known).sum(), (apart * known).sum(),
    )  # fmt: skip


def roughen(masks: Tensor, chance: torch.Generator) -> Tensor:
    """Masks ``[K, h, w]`` in [0, 1] with the kind of errors that detected ones have: blurred, too large, too small."""
    kernel = int(torch.randint(1, 4, (), generator=chance)) * 2 + 1
    soft = F.avg_pool2d(masks[:, None], kernel, stride=1, padding=kernel // 2)
    noise = torch.randn((len(masks), 1, 8, 12), generator=chance).to(masks.device)
    noise = F.interpolate(noise, size=masks.shape[-2:], mode="bicubic", align_corners=False)
    shift = torch.rand((len(masks), 1, 1, 1), generator=chance).to(masks.device) * 0.3 - 0.15
    return ((soft + 0.18 * noise * (soft > 0.02) + shift - 0.5) * 4 + 0.5).clamp(0, 1)[:, 0] * (soft[:, 0] > 0.02)
