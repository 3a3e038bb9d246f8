"""J of the sequence that matches the one annotated object of a clip best, whatever its score, and of a few together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.number_pngs import read_colours
from mmdet_vis.structures import RLE, InstanceSequence, VideoResult, encode_masks

UNION_OF = 3
"""Sequences that may be parts of one annotated object: a rider and a vehicle, say."""

_CANDIDATES = 8
"""Sequences that are tried together: those that cover most of the object."""


class ClipScore(NamedTuple):
    """A clip's result.

    Attributes:
        clip: its name.
        j: mean IoU of the best sequence.
        worst: its lowest IoU of a frame.
        union: mean IoU of the best union of at most :data:`UNION_OF` sequences.
        category, score, rank: of the best sequence.
        sequences: how many there are.
        frames_per_second: of segmenting.
    """

    clip: str
    j: float
    worst: float
    union: float
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
    files = [folder / f"{Path(name).stem}.png" for name in names]
    return np.stack([(read_colours(file) != 0).astype(np.uint8) for file in files])


def mask_ious(masks: Sequence[RLE], truth: Sequence[RLE]) -> NDArray[np.float64]:
    """IoU of masks with the annotation in each frame: ``[T]`` in [0, 1]; 1 where both are empty."""
    values = []
    for found, true in zip(masks, truth, strict=True):
        union = coco_mask.area(coco_mask.merge([found, true]))
        values.append(coco_mask.area(coco_mask.merge([found, true], intersect=True)) / union if union else 1.0)
    return np.array(values)


def best_union(sequences: Sequence[InstanceSequence], truth: Sequence[RLE], most: int = UNION_OF) -> float:
    """Mean IoU of the best union of at most ``most`` sequences, of those that cover most of the object."""
    covered = [
        sum(int(coco_mask.area(coco_mask.merge([m, t], intersect=True))) for m, t in zip(s.masks, truth, strict=True))
        for s in sequences
    ]
    order = sorted((i for i, pixels in enumerate(covered) if pixels), key=lambda i: -covered[i])[:_CANDIDATES]
    found = [0.0]
    for number in range(1, most + 1):
        for chosen in combinations(order, number):
            together = [
                coco_mask.merge([dict(m) for m in ms]) for ms in zip(*(sequences[i].masks for i in chosen), strict=True)
            ]
            found.append(float(mask_ious(together, truth).mean()))
    return max(found)


def score_clip(result: VideoResult, masks: NDArray[np.uint8], seconds: float) -> ClipScore:
    """Compare every sequence with the annotation and keep the best; and the best few together."""
    truth = encode_masks(masks)
    speed = result.num_frames / seconds
    if not result.sequences:
        return ClipScore(result.name, 0.0, 0.0, 0.0, "-", 0.0, 0, 0, speed)
    ious = [mask_ious(sequence.masks, truth) for sequence in result.sequences]
    best = int(np.argmax([values.mean() for values in ious]))
    sequence, j = result.sequences[best], float(ious[best].mean())
    union = max(j, best_union(result.sequences, truth))
    return ClipScore(
        result.name, j, float(ious[best].min()), union, result.category_of(sequence), sequence.score, best + 1,
        len(result.sequences), speed,
    )  # fmt: skip
