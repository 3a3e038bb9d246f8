"""Outlines and masks as annotation files have them, brought into run-length encodings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.sources.image_files import MAX_IMAGE_PIXELS
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, encode_masks
from mmdet_vis.structures.masks import as_text
from mmdet_vis.structures.rle import MAX_OUTSIDE


def check_frame_size(height: int, width: int, name: str) -> None:
    """Refuse sizes of frames that no image has: masks of such a size would ask for any amount of memory.

    Raises:
        DatasetError: more than :data:`MAX_IMAGE_PIXELS` pixels; ``name`` is the file that says so.
    """
    if height * width > MAX_IMAGE_PIXELS:
        raise DatasetError(
            f"{name} is said to be {width!s:.20}x{height!s:.20}, more than {MAX_IMAGE_PIXELS} pixels: correct the file"
        )


def merge_masks(masks: Sequence[RLE]) -> RLE | None:
    """The union of masks of one size; None if there are none."""
    if len(masks) < 2:
        return masks[0] if masks else None
    return as_text(coco_mask.merge(list(masks)))


def polygon_points(points: object, height: int, width: int) -> NDArray[np.float64]:
    """A polygon of a file as ``[N, 2]`` float64 (x, y) in pixels.

    Raises:
        DatasetError: fewer than 3 points, or coordinates that are not finite or far outside the frame.
    """
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1:] != (2,) or len(array) < 3 or not np.isfinite(array).all():
        raise DatasetError("a polygon needs at least 3 points (x, y), finite numbers")
    # pycocotools takes time and memory with the length of the outline.
    if np.abs(array).max() > MAX_OUTSIDE * max(height, width):
        raise DatasetError(f"a polygon lies far outside the frame of {width}x{height}")
    return array


def ellipse_points(x: float, y: float, rx: float, ry: float, turned: float = 0.0) -> NDArray[np.float64]:
    """The outline of an ellipse, ``turned`` by degrees clockwise, as ``[72, 2]`` float64 (x, y).

    Raises:
        DatasetError: a number is not finite.
    """
    if not np.isfinite([x, y, rx, ry, turned]).all():
        raise DatasetError("a circle or ellipse needs finite numbers")
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    across, down, turn = rx * np.cos(angles), ry * np.sin(angles), np.deg2rad(turned)
    return np.stack(
        [x + across * np.cos(turn) - down * np.sin(turn), y + across * np.sin(turn) + down * np.cos(turn)], axis=1
    )


def polygon_mask(points: object, height: int, width: int) -> RLE:
    """The mask of a polygon of (x, y) points in pixels, clipped to the frame.

    Raises:
        DatasetError: see :func:`polygon_points`.
    """
    array = polygon_points(points, height, width)
    return as_text(coco_mask.frPyObjects([array.ravel().tolist()], height, width)[0])


def box_mask(pixels: NDArray[np.uint8], left: int, top: int, height: int, width: int) -> RLE:
    """The mask whose part ``pixels`` ``[h, w]`` (non-zero is the object) has its corner at (left, top) of a frame."""
    rows, columns = pixels.shape
    mask = np.zeros((1, height, width), np.uint8)
    mask[0, max(top, 0) : top + rows, max(left, 0) : left + columns] = (
        pixels[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)] != 0
    )
    return encode_masks(mask)[0]


def mask_box(rle: RLE) -> tuple[int, int, NDArray[np.uint8]]:
    """The left and top of a mask's tight box, and the mask in it ``[h, w]`` uint8, 0 or 1."""
    left, top, width, height = (int(value) for value in coco_mask.toBbox(rle))
    return left, top, coco_mask.decode(rle)[top : top + height, left : left + width]
