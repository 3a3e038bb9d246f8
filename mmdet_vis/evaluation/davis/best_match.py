"""J of the sequence that matches the one annotated object of a clip best, whatever its score."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, InstanceSequence, VideoResult, encode_masks


class ClipScore(NamedTuple):
    """A clip's result: the best sequence's mean IoU, its lowest IoU of a frame, its category, score and rank."""

    clip: str
    j: float
    worst: float
    category: str
    score: float
    rank: int
    sequences: int
    frames_per_second: float


def read_masks(folder: Path, names: list[str]) -> NDArray[np.uint8]:
    """Annotations ``[T, H, W]`` uint8, 0 or 1, of the frames with these names.

    Raises:
        DatasetError: one of them is missing or cannot be read.
    """
    masks = []
    for name in names:
        mask = cv2.imread(str(folder / f"{Path(name).stem}.png"), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise DatasetError(
                f"{folder / Path(name).stem}.png is missing or damaged: every frame needs its annotation"
            )
        masks.append((mask > 0).astype(np.uint8))
    return np.stack(masks)


def frame_ious(sequence: InstanceSequence, truth: list[RLE]) -> NDArray[np.float64]:
    """IoU of a sequence with the annotation in each frame: ``[T]`` in [0, 1]; 1 where both are empty."""
    values = []
    for found, true in zip(sequence.masks, truth, strict=True):
        union = coco_mask.area(coco_mask.merge([found, true]))
        values.append(coco_mask.area(coco_mask.merge([found, true], intersect=True)) / union if union else 1.0)
    return np.array(values)


def score_clip(result: VideoResult, masks: NDArray[np.uint8], seconds: float) -> ClipScore:
    """Compare every sequence with the annotation and keep the best."""
    truth = encode_masks(masks)
    speed = result.num_frames / seconds
    if not result.sequences:
        return ClipScore(result.name, 0.0, 0.0, "-", 0.0, 0, 0, speed)
    ious = [frame_ious(sequence, truth) for sequence in result.sequences]
    best = int(np.argmax([values.mean() for values in ious]))
    sequence = result.sequences[best]
    return ClipScore(
        result.name, float(ious[best].mean()), float(ious[best].min()), result.category_of(sequence), sequence.score,
        best + 1, len(result.sequences), speed,
    )  # fmt: skip
