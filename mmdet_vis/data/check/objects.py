"""Faults in the masks and boxes of one annotated object."""

from __future__ import annotations

from typing import Any

from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.json_files import is_finite
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, check_characters, checked_rle

_TOLERANCE = 1.0  # pixels by which a box may leave the frame: tools round, and some count both borders

Fault = tuple[int, str]
"""Number of a frame, and what is wrong there, to follow "a mask that" or "a box that"."""


def check_masks(segmentations: list[Any], height: int, width: int) -> tuple[list[RLE | None], list[Fault]]:
    """T compressed RLEs of an object, None where there is none or it is bad, and the faults, of the file's T values."""
    masks: list[RLE | None] = []
    faults: list[Fault] = []
    for frame, segmentation in enumerate(segmentations):
        try:
            masks.append(checked_rle(segmentation, height, width))
        except InvalidMaskError as error:
            masks.append(None)
            faults.append((frame, error.reason))
    return masks, faults


def check_boxes(boxes: list[Any], segmentations: Any, height: int, width: int) -> list[Fault]:
    """Check the boxes ``[x, y, width, height]`` of one object, in pixels; null where it is not visible.

    Its ``segmentations`` tell where a box is missing or too many, if they are a list as long.
    """
    faults = []
    paired = isinstance(segmentations, list) and len(segmentations) == len(boxes)
    for frame, box in enumerate(boxes):
        reason = None if box is None else _box_fault(box, height, width)
        if reason is None and paired:
            reason = _pair_fault(box, segmentations[frame])
        if reason is not None:
            faults.append((frame, reason))
    return faults


def _box_fault(box: Any, height: int, width: int) -> str | None:
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
        return "is not [x, y, width, height] in finite numbers"
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return f"has a size of {w}x{h}"
    if min(x, y) < -_TOLERANCE or x + w > width + _TOLERANCE or y + h > height + _TOLERANCE:
        return f"leaves the frame of {width}x{height}: {box}"
    return None


def _pair_fault(box: Any, segmentation: Any) -> str | None:
    if box is None and segmentation:
        return None if _is_empty(segmentation) else "is missing, though there is a mask"
    if box is not None and segmentation in (None, []):
        return "has no mask"
    return None


def _is_empty(segmentation: Any) -> bool:
    """Whether a mask holds no pixel, as far as that can be told; bad ones are reported elsewhere."""
    if not isinstance(segmentation, dict):
        return False
    counts = segmentation.get("counts")
    if isinstance(counts, list):
        return not any(counts[1::2])
    try:
        check_characters([counts])  # type: ignore[list-item]
    except (InvalidMaskError, TypeError):
        return True
    return int(coco_mask.area({"size": [1, 1], "counts": counts})) == 0  # the size plays no part, and may be anything
