"""One training step of Seq Mask R-CNN: clips in, losses out (Propose-Reduce, section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from mmdet_vis.errors import ConfigError, option
from mmdet_vis.losses.losses import smooth_l1
from mmdet_vis.losses.propagation import Carried, carry, choose_objects, paste_soft, propagation_loss
from mmdet_vis.losses.regions import Regions, choose_regions
from mmdet_vis.losses.rpn import RPNLoss, RPNSettings, anchor_targets, rpn_loss
from mmdet_vis.losses.targets import Choose, SampleSettings, random_choice
from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.models.seq_mask_rcnn import Features, SeqMaskRCNN, rois_of
from mmdet_vis.registry import OPTIM_WRAPPERS
from mmdet_vis.structures.clip import TrainingClip


@dataclass(frozen=True)
class PropagationSettings:
    """What the propagation head learns from (config ``train_cfg.prop``).

    Attributes:
        max_objects: objects carried per clip, at random if there are more.
        true_mask_share: share of the clips whose objects start from their true masks instead of the mask head's.
            The published weights were trained with 0; a network that starts from nothing needs more.
        bce_weight: weight of the pixels' cross entropy beside the soft IoU; the paper has none.
        only: train the propagation head alone, on a network that stays as it is
            (:class:`~mmdet_vis.losses.light_propagation.LightPropagationStep`).
    """

    max_objects: int = 5
    true_mask_share: float = 0.0
    bce_weight: float = 0.0
    only: bool = False


@dataclass(frozen=True)
class TrainSettings:
    """All settings of a step (config ``train_cfg``)."""

    rpn: RPNSettings = field(default_factory=RPNSettings)
    rcnn: SampleSettings = field(default_factory=SampleSettings)
    prop: PropagationSettings = field(default_factory=PropagationSettings)


class TrainingStep(nn.Module):
    """The losses of a batch of clips.

    Every sum is divided by its number over the batches of **all** processes, so that the mean of the processes'
    gradients is the gradient of the whole batch.

    Args:
        model: the network; its ``test_cfg.rpn`` also says which proposals are learnt from.
        settings: thresholds, numbers and weights.
        mean, std: per channel, in the channel order of the network's input, in pixel values.
        to_rgb: swap the clips' BGR to RGB.
        size_divisor: images are padded to multiples of this.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: SeqMaskRCNN,
        settings: TrainSettings,
        mean: Sequence[float],
        std: Sequence[float],
        to_rgb: bool = True,
        size_divisor: int = 32,
    ) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.to_rgb = to_rgb
        self.size_divisor = size_divisor
        self.chooser: Callable[[int], Choose] = random_choice
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, clips: Sequence[TrainingClip]) -> dict[str, Tensor]:
        """Losses of B clips on the network's device.

        Returns:
            scalars ``loss_rpn_cls``, ``loss_rpn_reg`` (both summed over the pyramid's levels), ``loss_cls``,
            ``loss_reg``, ``loss_mask`` and ``loss_prop``, whose sum is the loss, and ``acc``, the share of regions (in
            percent) whose category is right.

        Raises:
            ConfigError: clips of several frames, and a propagation head that is trained alone.
        """
        if isinstance(self.model.prop_head, LightPropHead) and max(len(c.images) for c in clips) > 1:
            raise ConfigError(
                "a LightPropHead is trained alone, with model.train_cfg.prop.only=True: to train the detector and keep "
                "this head, take clips of one frame, train.dataset.num_frames=1"
            )
        features = self.model.extract(self.pad([c.images for c in clips]))
        ends = torch.tensor([len(c.images) for c in clips]).cumsum(0).tolist()
        choosers = [self.chooser(c.seed) for c in clips]
        current = features[[e - 1 for e in ends]]
        rpn, regions = self._propose(current, clips, choosers)
        cls, reg, right = self._boxes(current, regions)
        carried = [choose_objects(c, self.settings.prop.max_objects, ch) for c, ch in zip(clips, choosers, strict=True)]
        mask, prop = self._masks(current, regions), self._propagate(features, clips, carried, ends)
        numbers = [sum(len(r.labels) for r in regions), sum(r.num_positive for r in regions), sum(map(len, carried))]
        num_anchors, num_regions, num_positive, num_carried = _shares(cls.new_tensor([rpn.normaliser, *numbers]))
        return {
            "loss_rpn_cls": rpn.classification.sum() / num_anchors,
            "loss_rpn_reg": rpn.regression.sum() / num_anchors,
            "loss_cls": cls / num_regions,
            "loss_reg": reg / num_regions,
            "loss_mask": mask / num_positive,
            "loss_prop": prop / num_carried,
            "acc": 100.0 * right / num_regions,
        }

    def pad(self, images: Sequence[Tensor]) -> Tensor:
        """Normalise clips ``[T, 3, h, w]`` uint8 and pad them to one size: ``[sum T, 3, H, W]`` float32."""
        divisor = self.size_divisor
        height, width = (-(-max(i.shape[axis] for i in images) // divisor) * divisor for axis in (2, 3))
        out = self.mean.new_zeros((sum(len(i) for i in images), 3, height, width))
        start = 0
        for clip in images:
            clip = clip.flip(1) if self.to_rgb else clip
            out[start : start + len(clip), :, : clip.shape[2], : clip.shape[3]] = (clip - self.mean) / self.std
            start += len(clip)
        return out.contiguous(memory_format=torch.channels_last)

    def _propose(
        self, current: Features, clips: Sequence[TrainingClip], choosers: Sequence[Choose]
    ) -> tuple[RPNLoss, list[Regions]]:
        """RPN loss, and the regions that the heads learn from."""
        head = self.model.rpn_head
        logits, deltas = head(current.levels)
        logits, deltas = [x.float() for x in logits], [x.float() for x in deltas]
        grids = [head.anchors.grid(i, x.shape[1], x.shape[2], x.device) for i, x in enumerate(logits)]
        sizes = [(c.images.shape[2], c.images.shape[3]) for c in clips]
        truth = [c.current.visible() for c in clips]
        full = [c.exhaustive for c in clips]
        targets = anchor_targets(grids, truth, sizes, full, choosers, self.settings.rpn)
        loss = rpn_loss(logits, deltas, targets, self.settings.rpn.beta)
        regions = []
        mask_size = 2 * self.model.mask_roi_extractor.output_size  # the head doubles it
        with torch.no_grad():
            for b, (target, size, choose) in enumerate(zip(truth, sizes, choosers, strict=True)):
                one = [x[b : b + 1] for x in logits], [x[b : b + 1] for x in deltas]
                proposals = head.propose(*one, size, **self.model.test_cfg["rpn"])[0][:, :4]
                regions.append(choose_regions(proposals, target, full[b], choose, self.settings.rcnn, mask_size))
        return loss, regions

    def _boxes(self, current: Features, regions: Sequence[Regions]) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of the box head's classification and regression losses, and how many categories are right."""
        rois = torch.cat([rois_of(r.boxes, i) for i, r in enumerate(regions)])
        labels = torch.cat([r.labels for r in regions])
        logits, deltas = self.model.bbox_head(self.model.bbox_roi_extractor(current.levels, rois))
        logits = logits.float()
        positive = (labels > 0).nonzero().flatten()
        changes = deltas.float().unflatten(1, (-1, 4))[positive, labels[positive]]
        distance = smooth_l1(changes, torch.cat([r.deltas for r in regions]), self.settings.rcnn.beta)
        right = (logits.argmax(dim=1) == labels).sum()
        return F.cross_entropy(logits, labels, reduction="sum"), distance.sum(), right

    def _masks(self, current: Features, regions: Sequence[Regions]) -> Tensor:
        """Sum over regions of the mask head's mean loss per pixel."""
        rois = torch.cat([rois_of(r.boxes[: r.num_positive], i) for i, r in enumerate(regions)])
        labels = torch.cat([r.labels[: r.num_positive] for r in regions])
        if not len(rois):
            return rois.new_zeros(())
        logits = self.model.mask_logits(current.levels, rois, labels - 1).float()
        entropy = F.binary_cross_entropy_with_logits(logits, torch.cat([r.masks for r in regions]), reduction="none")
        return entropy.flatten(1).mean(dim=1).sum()

    def _propagate(
        self, features: Features, clips: Sequence[TrainingClip], carried: Sequence[Carried], ends: Sequence[int]
    ) -> Tensor:
        """Sum over objects of the propagation loss."""
        total = features.levels[0].new_zeros((), dtype=torch.float32)
        head = self.model.prop_head
        for clip, objects, end in zip(clips, carried, ends, strict=True):
            if not len(objects):
                continue
            start = end - len(clip.images)
            frames = [self.model.encode_frame(features[slice(t, t + 1)]) for t in range(start + 1, end)]
            first = features[slice(start, start + 1)]
            found = carry(head, first.levels[0], self._start_masks(first, clip, objects), frames)
            total = total + propagation_loss(found, clip, objects, self.settings.prop.bce_weight)
        return total

    @torch.no_grad()
    def _start_masks(self, first: Features, clip: TrainingClip, objects: Carried) -> Tensor:
        """Masks ``[K, h, w]`` in the first frame: what the mask head draws in the true boxes, or the true ones."""
        target, rows = clip.frames[0], objects.reference
        share = self.settings.prop.true_mask_share
        if share > 0 and torch.rand((), generator=torch.Generator().manual_seed(clip.seed)).item() < share:
            return target.masks[rows].float()
        boxes = target.boxes[rows]
        logits = self.model.mask_logits(first.levels, rois_of(boxes, 0), target.labels[rows] - 1)
        height, width = clip.images.shape[2:]
        return paste_soft(logits.float().sigmoid(), boxes, (height, width))


def _shares(numbers: Tensor) -> list[Tensor]:
    """Numbers ``[N]`` that losses of this process are divided by: its share of those of all processes."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(numbers)
        numbers = numbers / dist.get_world_size()
    return list(numbers.clamp(min=torch.finfo(torch.float32).tiny).unbind())


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MAX_SKIPPED = 20
"""So many steps in a row without a finite gradient mean that training has diverged. Float16 leaves out a few while it
looks for its scale."""


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An optimiser with automatic mixed precision on every device.

    Args:
        optimizer: built by mmengine from the config.
        precision: ``float32``, ``bfloat16`` (fast on GPUs and on CPUs with AMX) or ``float16`` (GPUs; the loss is
            scaled so that small gradients do not vanish).
        clip_grad: ``dict(max_norm=..., norm_type=2)``; None does not clip.
    """

    def __init__(
        self, optimizer: Optimizer, precision: str = "float32", clip_grad: dict[str, Any] | None = None
    ) -> None:
        if precision not in DTYPES:
            raise ConfigError(f"optim_wrapper.precision={precision!r} must be one of {', '.join(DTYPES)}")
        super().__init__(optimizer, clip_grad=clip_grad)
        self.dtype = DTYPES[precision]
        self.device = optimizer.param_groups[0]["params"][0].device.type
        if self.dtype == torch.float16 and self.device == "cpu":
            raise ConfigError("optim_wrapper.precision='float16' needs a GPU: use 'bfloat16' or 'float32' on the CPU")
        self.scaler = torch.amp.GradScaler(self.device, enabled=self.dtype == torch.float16)
        self.skipped = 0

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in the chosen precision."""
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Add the gradients of a (part of a) batch."""
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients and change the weights; gradients that are not finite change nothing.

        Raises:
            ConfigError: that has happened :data:`MAX_SKIPPED` times in a row.
        """
        self.scaler.unscale_(self.optimizer)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, **(self.clip_grad_kwargs or {"max_norm": math.inf}))
        self.message_hub.update_scalar("train/grad_norm", float(norm))
        finite = bool(norm.isfinite())
        if finite or self.scaler.is_enabled():
            self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()
        self.skipped = 0 if finite else self.skipped + 1
        if self.skipped >= MAX_SKIPPED:
            raise ConfigError(
                f"training diverged: {MAX_SKIPPED} steps in a row without a finite gradient; lower "
                "optim_wrapper.optimizer.lr, clip gradients, or use precision='float32', and start from an earlier "
                f"checkpoint with {option('load_from')}"
            )

    def state_dict(self) -> dict[str, Any]:
        """State of the optimiser and of the loss scale."""
        return {**super().state_dict(), "scaler": self.scaler.state_dict(), "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        state = dict(state_dict)
        self.scaler.load_state_dict(state.pop("scaler"))
        self.skipped = state.pop("skipped")
        super().load_state_dict(state)
