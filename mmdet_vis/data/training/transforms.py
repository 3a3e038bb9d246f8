"""Transforms of a whole clip: size and mirror image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.preprocess import FrameGeometry
from mmdet_vis.data.training.raw import RawClip, RawFrame
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipResize:
    """Scale a clip into a box, as frames are scaled for inference, keeping its ratio of sides.

    Args:
        scales: pairs of numbers as in :class:`~mmdet_vis.data.preprocess.Preprocessor`; one is drawn for each clip.
    """

    def __init__(self, scales: Sequence[tuple[int, int]] = ((640, 360),)) -> None:
        self.scales = [(int(a), int(b)) for a, b in scales]
        if not self.scales or min(map(min, self.scales)) < 1:
            raise ConfigError(f"ClipResize: scales={scales} must be pairs of positive numbers")

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Scale all frames by the same factor."""
        scale = self.scales[rng.integers(len(self.scales))]
        for frame in clip.frames:
            _resize(frame, FrameGeometry.of(*frame.size, scale))
        return clip


def _resize(frame: RawFrame, geometry: FrameGeometry) -> None:
    factor = np.float32(geometry.scale)
    frame.boxes, frame.ignored = frame.boxes * factor, frame.ignored * factor
    if geometry.resized == geometry.original:
        return
    height, width = geometry.resized
    frame.image = np.asarray(cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    masks = np.empty((len(frame.masks), height, width), np.uint8)
    for mask, out in zip(frame.masks, masks, strict=True):
        cv2.resize(mask, (width, height), dst=out, interpolation=cv2.INTER_NEAREST)
    frame.masks = masks


@TRANSFORMS.register_module()
class ClipFlip:
    """Mirror a whole clip, left to right.

    Args:
        prob: how often, 0 to 1.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f"ClipFlip: prob={prob} must be between 0 and 1")
        self.prob = prob

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Mirror all frames or none."""
        if rng.random() < self.prob:
            for frame in clip.frames:
                width = frame.size[1]
                frame.image = np.ascontiguousarray(frame.image[:, ::-1])
                frame.masks = np.ascontiguousarray(frame.masks[:, :, ::-1])
                frame.boxes = _mirror(frame.boxes, width)
                frame.ignored = _mirror(frame.ignored, width)
        return clip


def _mirror(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Inclusive boxes ``[N, 4]`` in the mirror image of a frame of ``width`` pixels."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([width - 1 - x2, y1, width - 1 - x1, y2], axis=1)
