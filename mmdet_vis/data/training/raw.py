"""A training sample as arrays, the form that transforms work on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.structures.clip import FrameTargets, TrainingClip


@dataclass
class RawFrame:
    """An image with its objects.

    Attributes:
        image: ``[h, w, 3]`` uint8, BGR.
        boxes: ``[N, 4]`` float32 inclusive boxes in pixels, which may leave the image.
        labels: ``[N]`` int64 classes, 1-based.
        masks: ``[N, h, w]`` uint8, 0 or 1.
        ids: ``[N]`` int64, unique in the frame.
        ignored: ``[M, 4]`` float32 boxes of regions in which nothing is taught as background.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]
    ids: NDArray[np.int64]
    ignored: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def visible(self) -> NDArray[np.bool_]:
        """Whether each object's mask holds a pixel: ``[N]`` bool."""
        return np.asarray(self.masks.any(axis=(1, 2)), bool)


@dataclass
class RawClip:
    """T frames of one size, in the order of :class:`~mmdet_vis.structures.clip.TrainingClip`."""

    frames: list[RawFrame]
    exhaustive: bool
    name: str

    def finish(self) -> TrainingClip:
        """The sample as tensors, its boxes clipped to ``[0, w] x [0, h]`` (that far, not to w - 1, as published)."""
        images = np.stack([frame.image.transpose(2, 0, 1) for frame in self.frames])
        return TrainingClip(torch.from_numpy(images), [_targets(f) for f in self.frames], self.exhaustive, self.name)


def _targets(frame: RawFrame) -> FrameTargets:
    height, width = frame.size
    limits = np.array([width, height, width, height], np.float32)
    arrays = (
        frame.boxes.clip(0, limits),
        frame.labels,
        frame.masks,
        frame.ids,
        frame.ignored.clip(0, limits),
    )
    return FrameTargets(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def mask_boxes(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Tight inclusive boxes of masks ``[N, h, w]``: ``[N, 4]`` float32, zeros where a mask is empty."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            box[:] = x, y, x + width - 1, y + height - 1
    return boxes
