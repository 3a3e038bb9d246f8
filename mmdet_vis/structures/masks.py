"""Binary masks and their run-length encoding (RLE), the form in which masks leave the network.

An RLE is the dict of pycocotools, ``{"size": [height, width], "counts": str}``: column-major runs in the compressed
string form, as JSON files hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

_BOX_CHUNK = 250
"""RLEs at a time: pycocotools 2.0.11 overflows on lists of 256 and more under numpy 2."""


class RLE(TypedDict):
    """A run-length encoded binary mask: ``size`` is [height, width], ``counts`` the compressed runs."""

    size: list[int]
    counts: str


def encode_masks(masks: NDArray[np.uint8]) -> list[RLE]:
    """Encode binary masks.

    Args:
        masks: ``[N, H, W]`` uint8 or bool, non-zero is the object. ``N`` may be 0.

    Returns:
        N RLEs of size ``[H, W]``.
    """
    if masks.ndim != 3:
        raise ValueError(f"masks must be [N, H, W], got shape {tuple(masks.shape)}")
    if masks.shape[0] == 0:
        return []
    # pycocotools wants [H, W, N] in Fortran order, which is [N, W, H] in C order: one transposed copy.
    fortran = np.asfortranarray(masks.astype(np.uint8, copy=False).transpose(1, 2, 0))
    rles = coco_mask.encode(fortran)
    return [RLE(size=[int(s) for s in r["size"]], counts=r["counts"].decode("ascii")) for r in rles]


def decode_masks(rles: list[RLE]) -> NDArray[np.uint8]:
    """Decode RLEs of one size.

    Returns:
        ``[N, H, W]`` uint8 with values 0 and 1 (``[0, 0, 0]`` for an empty list).
    """
    if not rles:
        return np.zeros((0, 0, 0), np.uint8)
    return np.ascontiguousarray(coco_mask.decode(rles).transpose(2, 0, 1))


def empty_rle(height: int, width: int) -> RLE:
    """The RLE of an all-zero mask."""
    return encode_masks(np.zeros((1, height, width), np.uint8))[0]


def areas(rles: Sequence[RLE]) -> NDArray[np.int64]:
    """Areas of RLEs in pixels: ``[N]`` int64."""
    # One at a time: pycocotools 2.0.11 overflows on lists of 256 and more under numpy 2.
    return np.array([int(coco_mask.area(rle)) for rle in rles], np.int64)


def rle_boxes(rles: Sequence[RLE]) -> NDArray[np.float64]:
    """Tight boxes of RLEs: ``[N, 4]`` float64 (x0, y0, x1, y1) in pixels, end exclusive; NaN where a mask is empty."""
    boxes = np.full((len(rles), 4), np.nan)
    shown = np.flatnonzero(areas(rles))
    for begin in range(0, len(shown), _BOX_CHUNK):
        chunk = shown[begin : begin + _BOX_CHUNK]
        boxes[chunk] = coco_mask.toBbox([rles[t] for t in chunk])
    boxes[:, 2:] += boxes[:, :2]
    return boxes
