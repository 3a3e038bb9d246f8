"""Pictures of a video: the annotated objects, and what A and B make of them, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.evaluation.panels import Layer, draw_panels, read_small
from mmdet_vis.structures import RLE

FRAMES = 3
"""Pictures of a video at most."""


@dataclass(frozen=True)
class VideoLayers:
    """What there is to draw of a video.

    Attributes:
        frames: T files.
        height, width: of the masks and of the frames, in pixels.
        truth: the annotated objects, whose numbers are those of the sequences that are on them.
        sides: the sequences of A and of B.
    """

    frames: Sequence[Path]
    height: int
    width: int
    truth: Layer
    sides: tuple[Layer, Layer]


def draw_video(video: VideoLayers) -> list[tuple[int, bytes]]:
    """Number and JPEG of the frames in which A and B differ most, in the order of time.

    Raises:
        SourceError: a frame cannot be read or has another size than its masks.
    """
    layers = (video.truth, *video.sides)
    return [
        (t, draw_panels(read_small(video.frames[t], video.height, video.width), layers, t))
        for t in choose_frames(_disagreement(video))
    ]


def choose_frames(values: NDArray[np.float64], number: int = FRAMES) -> list[int]:
    """Frames with the largest of ``[T]`` values that are not close to each other, ascending."""
    apart = max(1, len(values) // (2 * number))
    chosen: list[int] = []
    for t in np.argsort(-values, kind="stable").tolist():
        if all(abs(t - other) >= apart for other in chosen) and len(chosen) < number:
            chosen.append(t)
    return sorted(chosen)


def _disagreement(video: VideoLayers) -> NDArray[np.float64]:
    """By how much A and B differ in each frame, ``[T]``: over the objects, the sum of the differences in IoU."""
    values = np.zeros(len(video.frames))
    for masks, number in zip(video.truth.masks, video.truth.numbers, strict=True):
        found = [_best_iou(side, number, masks) for side in video.sides]
        values += np.abs(found[0] - found[1])
    return values


def _best_iou(side: Layer, number: int, truth: Sequence[RLE | None]) -> NDArray[np.float64]:
    """IoU with an object in each frame of the first sequence that is on it."""
    masks = next((m for m, n in zip(side.masks, side.numbers, strict=True) if n == number), None)
    if masks is None:
        return np.zeros(len(truth))
    pairs = zip(masks, truth, strict=True)
    return np.array([float(coco_mask.iou([m], [t], [0])[0, 0]) if m and t else 0.0 for m, t in pairs])
