"""Training samples: a few frames of one video with their objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass
class FrameTargets:
    """Objects of one frame, in pixels of the resized, unpadded image (``h x w``).

    Attributes:
        boxes: ``[N, 4]`` float32 inclusive boxes.
        labels: ``[N]`` int64 classes, 1-based: 0 is background.
        masks: ``[N, h, w]`` uint8, 0 or 1. They may be empty where an object is hidden; its box then counts for
            nothing.
        ids: ``[N]`` int64, the same for the same object in all frames of a clip, and unique in a frame.
        ignored: ``[M, 4]`` float32 boxes of regions in which nothing is taught as background (crowds, objects that
            cannot be told apart).
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    ids: Tensor
    ignored: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    def visible(self) -> FrameTargets:
        """Without the objects whose mask is empty."""
        seen = self.masks.flatten(1).bool().any(dim=1)
        return FrameTargets(self.boxes[seen], self.labels[seen], self.masks[seen], self.ids[seen], self.ignored)

    def to(self, device: torch.device | str) -> FrameTargets:
        """The same on another device."""
        return FrameTargets(*(t.to(device, non_blocking=True) for t in self.tensors()))

    def pin_memory(self) -> FrameTargets:
        """The same in pinned memory, from which a GPU copies while it computes."""
        return FrameTargets(*(t.pin_memory() for t in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in the order of the fields."""
        return self.boxes, self.labels, self.masks, self.ids, self.ignored


@dataclass
class TrainingClip:
    """Frames of one video in the order in which masks are carried through them.

    The objects are found in the last, "current" frame; those of the first, "reference" frame are remembered there
    and carried to the current one, over the frames between if there are any.

    Attributes:
        images: ``[T, 3, h, w]`` uint8 BGR, not padded; they are normalised on the device that trains.
        frames: T targets.
        exhaustive: whether every object of the model's categories has an annotation. If not, what has none is not
            taught as background.
        name: video and frames, for messages.
        seed: where the random choices of a training step for this clip start (which regions are taught), so that
            they depend on nothing else.
    """

    images: Tensor
    frames: list[FrameTargets]
    exhaustive: bool = True
    name: str = ""
    seed: int = 0

    @property
    def current(self) -> FrameTargets:
        """Targets of the last frame."""
        return self.frames[-1]

    def to(self, device: torch.device | str) -> TrainingClip:
        """The same on another device."""
        return replace(
            self, images=self.images.to(device, non_blocking=True), frames=[f.to(device) for f in self.frames]
        )

    def pin_memory(self) -> TrainingClip:
        """The same in pinned memory; a loader calls it by this name."""
        return replace(self, images=self.images.pin_memory(), frames=[f.pin_memory() for f in self.frames])
