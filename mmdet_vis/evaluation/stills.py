"""What is found in annotated stills (videos of one frame), by a model whose classes may be finer than the file's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.errors import ConfigError, counted, option
from mmdet_vis.structures import VideoResult
from mmdet_vis.structures.rle import to_rle

MATCH = 0.5
"""IoU of masks from which on a sequence lies on an annotated object."""

BINS = 10


def tenths(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of :data:`BINS` equal parts of [0, 1] each score is in."""
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def membership(
    classes: Sequence[str], groups: Sequence[str], category_map: Mapping[str, Sequence[str]] | None
) -> NDArray[np.bool_]:
    """Which of the model's C classes belongs to which of the annotation file's G groups: ``[C, G]`` bool, one each.

    The map has the names of classes in each group, "*" for those that no group names; without it, names are the same.

    Raises:
        ConfigError: a class belongs to no group.
    """
    table = np.zeros((len(classes), len(groups)), bool)
    for row, name in enumerate(classes):
        for column, group in enumerate(groups):
            table[row, column] = name == group or (category_map is not None and name in category_map.get(group, ()))
        if not table[row].any() and category_map is not None:
            table[row] = ["*" in category_map.get(group, ()) for group in groups]
        if not table[row].any():
            raise ConfigError(f"{name!r} of the model is none of {', '.join(groups)}: say {option('groups')}")
    return table


def regroup(result: VideoResult, table: NDArray[np.bool_], dataset: VideoDataset) -> VideoResult:
    """The result with the classes of the annotation file, ``table`` being :func:`membership`."""
    for sequence in result.sequences:
        sequence.class_scores = np.asarray(sequence.class_scores @ table, np.float32)
        sequence.label = int(sequence.class_scores.argmax())
        sequence.score = float(sequence.class_scores[sequence.label])
    result.categories = dataset.categories
    result.category_ids = tuple(-1 if number is None else number for number in dataset.category_ids)
    return result


def on_objects(
    results: Sequence[VideoResult], dataset: VideoDataset, content: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Of every sequence: score, whether it lies on an annotated object, and whether on one of its class: ``[N, 3]``.

    The results are those of all videos of the dataset, which have one frame each; ``content`` is its annotation file's.
    """
    rows = []
    for video, result in zip(dataset.videos, results, strict=True):
        truth = [entry for entry in content["annotations"] if entry["video_id"] == video.id]
        found = [to_rle(entry["segmentations"][0], video.height, video.width) for entry in truth]
        rles = [rle for rle in found if rle is not None]
        labels = np.array([entry["category_id"] for entry, rle in zip(truth, found, strict=True) if rle is not None])
        for sequence in result.sequences:
            iou = coco_mask.iou([dict(sequence.masks[0])], rles, [0] * len(rles))[0] if rles else np.zeros(0)
            hit = iou >= MATCH
            right = hit & (labels == result.category_ids[sequence.label]) if rles else hit
            rows.append((sequence.score, hit.any(), right.any()))
    return np.array(rows, np.float64).reshape(-1, 3)


def report(rows: NDArray[np.float64], drawn: NDArray[np.bool_], how: str) -> str:
    """What of the rows of :func:`on_objects` is ``drawn`` ``[N]`` in vain, and how often a score is right, as text."""
    shown = rows[drawn]
    vain = 100 * (1 - shown[:, 1].mean()) if len(shown) else 0.0
    lines = [f"drawn {how}: {counted(len(shown), 'sequence')}, {vain:.1f} % of them on no annotated object", ""]
    lines += ["| score | sequences | mean score | right |", "|---|---|---|---|"]
    for number in range(BINS):
        part = rows[tenths(rows[:, 0]) == number]
        if len(part):
            span = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
            lines.append(f"| {span} | {len(part)} | {part[:, 0].mean():.2f} | {part[:, 2].mean():.2f} |")
    return "\n".join(lines)
