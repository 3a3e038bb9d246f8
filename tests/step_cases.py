"""Clips of rectangles and a training step of the tiny network, for tests of losses and targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.losses.step import TrainingStep, TrainSettings
from mmdet_vis.structures.clip import FrameTargets, TrainingClip
from mmdet_vis.weights.checkpoint import load_checkpoint

Box = tuple[float, float, float, float]
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 55.0, 50.0)


def first(indices: Tensor, number: int) -> Tensor:
    """A choice that leaves nothing to chance."""
    return indices[:number]


def frame_targets(
    boxes: Sequence[Box | None],
    size: tuple[int, int],
    labels: Sequence[int] = (),
    ids: Sequence[int] = (),
    ignored: Sequence[Box] = (),
) -> FrameTargets:
    """Objects that fill their inclusive boxes; None is a hidden one, with an empty mask and a box of one pixel.

    Args:
        boxes: of the objects.
        size: (height, width).
        labels, ids: 1, 2, ... if not given.
        ignored: regions.
    """
    masks = torch.zeros((len(boxes), *size), dtype=torch.uint8)
    for mask, box in zip(masks, boxes, strict=True):
        if box is not None:
            x1, y1, x2, y2 = (int(v) for v in box)
            mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    count = range(1, len(boxes) + 1)
    return FrameTargets(
        boxes=torch.tensor([box or (0, 0, 0, 0) for box in boxes], dtype=torch.float32).reshape(-1, 4),
        labels=torch.tensor(list(labels or count), dtype=torch.int64),
        masks=masks,
        ids=torch.tensor(list(ids or count), dtype=torch.int64),
        ignored=torch.tensor(list(ignored), dtype=torch.float32).reshape(-1, 4),
    )


def make_clip(
    frames: Sequence[Sequence[Box | None]],
    size: tuple[int, int] = (64, 96),
    labels: Sequence[int] = (),
    seed: int = 0,
    exhaustive: bool = True,
) -> TrainingClip:
    """A clip of noise in which each object is brighter than the background."""
    generator = torch.Generator().manual_seed(seed)
    targets = [frame_targets(boxes, size, labels) for boxes in frames]
    images = torch.randint(0, 120, (len(frames), 3, *size), generator=generator, dtype=torch.uint8)
    for image, target in zip(images, targets, strict=True):
        for mask, label in zip(target.masks, target.labels.tolist(), strict=True):
            image[label % 3][mask > 0] += 100
    return TrainingClip(images, targets, exhaustive, name=f"clip {seed}", seed=seed)


MOVING: list[list[Box | None]] = [[(10, 12, 40, 45), (50, 20, 75, 50)], [(14, 12, 44, 45), (46, 22, 71, 52)]]
"""Two objects in two frames."""


def make_step(
    tiny: tuple[Path, Path], settings: TrainSettings | None = None, kind: type[TrainingStep] = TrainingStep
) -> TrainingStep:
    """A step of the tiny network with its random weights, ready to train."""
    config, checkpoint = tiny
    model = build_model(load_config(config))
    load_checkpoint(model, checkpoint)
    # Few proposals: all of them are learnt from, so that a rounding turns no choice over.
    model.test_cfg["rpn"] |= {"max_num": 20}
    return kind(model.train(), settings or TrainSettings(), MEAN, STD)


def total(losses: dict[str, Tensor]) -> Tensor:
    """The loss that is minimised."""
    return torch.stack([v for k, v in losses.items() if k.startswith("loss")]).sum()


def gradients(step: TrainingStep, clips: Sequence[TrainingClip]) -> dict[str, Tensor]:
    """Gradient of the loss of a batch by parameter; zeros where there is none."""
    step.zero_grad()
    total(step(clips)).backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in step.model.named_parameters()
    }
