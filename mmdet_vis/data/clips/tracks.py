"""Objects of an annotation file in the YouTube-VIS format as training wants them; no mask is decoded here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.clips.raw import decode_segmentations
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle


def reference_frames(visible: NDArray[np.bool_], labels: NDArray[np.int64], current: int) -> NDArray[np.int64]:
    """Frames that may be the reference of a frame, itself excluded, in ascending order.

    A reference must not lack an object of a class that it shows while the current frame has it; else the
    propagation would be taught to leave an object that looks like a remembered one alone. So every class of the
    current frame that occurs in the reference must be there with all its objects of the current frame, and at least
    one class must occur.

    Args:
        visible: ``[K, T]`` whether each object is visible in each frame.
        labels: ``[K]`` classes of the objects.
        current: number of the current frame.
    """
    now = visible[:, current]
    shares = np.zeros(visible.shape[1], bool)
    lacks = np.zeros(visible.shape[1], bool)
    for label in np.unique(labels[now]):
        of_class = labels == label
        occurs = visible[of_class].any(axis=0)
        complete = visible[of_class & now].all(axis=0)
        shares |= occurs & complete
        lacks |= occurs & ~complete
    allowed = shares & ~lacks
    allowed[current] = False
    return np.flatnonzero(allowed)


def choose_frames(
    visible: NDArray[np.bool_],
    labels: NDArray[np.int64],
    current: int,
    num_frames: int,
    max_gap: int | None,
    rng: np.random.Generator,
    annotated: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Frames of a clip, the reference first and the current one last.

    The reference is uniformly one of :func:`reference_frames`, or the current frame itself if there is none. The
    frames between are drawn from those between the two in the video, in their order; where these are too few, frames
    are repeated. References that are far enough away for that not to happen are preferred.

    Args:
        visible: ``[K, T]`` bool.
        labels: ``[K]``.
        current: number of the current frame.
        num_frames: frames of the clip, at least 2.
        max_gap: how far the reference may be from the current frame; None for any distance.
        rng: source of the choices.
        annotated: ``[T]`` bool, which frames may be taken (objects are visible in no other); None: all.
    """
    candidates = reference_frames(visible, labels, current)
    distances = np.abs(candidates - current)
    if max_gap is not None:
        candidates, distances = candidates[distances <= max_gap], distances[distances <= max_gap]
    if (distances >= num_frames - 1).any():
        candidates = candidates[distances >= num_frames - 1]
    reference = int(candidates[rng.integers(len(candidates))]) if len(candidates) else current
    low, high = min(reference, current), max(reference, current)
    inner = num_frames - 2
    pool = np.arange(low, high + 1)
    if annotated is not None:
        pool = pool[annotated[low : high + 1]]
    if len(pool) - 2 >= inner:
        between = np.sort(rng.choice(pool[1:-1], inner, replace=False)) if inner else np.zeros(0, int)
    else:
        between = np.sort(pool[rng.integers(0, len(pool), inner)])
    ordered = between if reference <= current else between[::-1]
    return [reference, *ordered.tolist(), current]


@dataclass(frozen=True)
class Track:
    """An annotated object of a video.

    Attributes:
        id: number among the objects of its video, from 1.
        label: class, 1-based.
        crowd: a group of objects: its regions are ignored.
        boxes: ``[T, 4]`` float32 inclusive boxes in pixels; zeros where it is not visible.
        visible: ``[T]`` bool: it has a mask with an area, in a box of at least one pixel.
        segmentations: T values of the file as JSON text: a tenth of the memory of lists of numbers, which every
            loading process would come to own a copy of.
    """

    id: int
    label: int
    crowd: bool
    boxes: NDArray[np.float32]
    visible: NDArray[np.bool_]
    segmentations: list[bytes]


def read_track(entry: dict[str, Any], number: int, label: int, size: tuple[int, int], length: int, where: str) -> Track:
    """Read an entry of ``annotations``, which messages call ``where``, of ``length`` frames of a size (height, width).

    Its ``bboxes`` ``[x, y, w, h]`` and ``areas`` are measured where the file lacks them.

    Raises:
        DatasetError: a list is missing or not as long as the video, or a box is not one.
    """
    segmentations = entry.get("segmentations")
    if not isinstance(segmentations, list) or len(segmentations) != length:
        raise DatasetError(f"{where} has no list of {length} segmentations, one per frame: correct the file")
    boxes, areas = entry.get("bboxes"), entry.get("areas")
    if boxes is None or areas is None:
        measured = [_measure(segmentation, size) for segmentation in segmentations]
        boxes = boxes or [box for box, _ in measured]
        areas = areas or [area for _, area in measured]
    if not (isinstance(boxes, list) and isinstance(areas, list) and len(boxes) == len(areas) == length):
        raise DatasetError(f"{where} has bboxes or areas that are not lists of {length}, one per frame: correct it")
    try:
        xywh = np.array([box or (0, 0, 0, 0) for box in boxes], np.float32).reshape(length, 4)
        area = np.array([value or 0 for value in areas], np.float64).reshape(length)
    except (TypeError, ValueError, OverflowError):
        raise DatasetError(f"{where} has a box that is not [x, y, w, h], or an area that is no number") from None
    masked = np.array([segmentation not in (None, []) for segmentation in segmentations], bool)
    visible = masked & (area > 0) & (xywh[:, 2] >= 1) & (xywh[:, 3] >= 1)
    inclusive = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:] - 1], axis=1)
    packed = [json.dumps(segmentation).encode() for segmentation in segmentations]
    return Track(number, label, bool(entry.get("iscrowd", 0)), inclusive * visible[:, None], visible, packed)


def _measure(segmentation: Any, size: tuple[int, int]) -> tuple[list[float] | None, float]:
    """Box ``[x, y, w, h]`` and area of a mask; a broken one counts as not visible."""
    try:
        rle = checked_rle(segmentation, *size)
    except InvalidMaskError:
        return None, 0.0
    if rle is None:
        return None, 0.0
    return coco_mask.toBbox(rle).tolist(), float(coco_mask.area(rle))


def decode_tracks(tracks: list[Track], frame: int, size: tuple[int, int], file: Path) -> NDArray[np.uint8]:
    """Masks of objects that are visible in a frame: ``[N, h, w]`` uint8.

    Raises:
        BrokenSampleError: one of them is broken; ``file`` is the frame's image.
    """
    return decode_segmentations(((f"object {t.id}", json.loads(t.segmentations[frame])) for t in tracks), size, file)
