"""Binary masks and their run-length encoding (RLE), the form in which masks leave the network.

An RLE is the dict of pycocotools, ``{"size": [height, width], "counts": str}``: column-major runs in the compressed
string form, as JSON files hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

_CHUNK = 250
"""RLEs at a time: pycocotools 2.0.11 overflows on lists of 256 and more under numpy 2."""


class RLE(TypedDict):
    """A run-length encoded binary mask: ``size`` is [height, width], ``counts`` the compressed runs."""

    size: list[int]
    counts: str


def encode_masks(masks: NDArray[np.uint8]) -> list[RLE]:
    """RLEs of N binary masks ``[N, H, W]`` uint8 or bool, non-zero is the object; ``N`` may be 0."""
    if masks.ndim != 3:
        raise ValueError(f"masks must be [N, H, W], got shape {tuple(masks.shape)}")
    if masks.shape[0] == 0:
        return []
    # pycocotools wants [H, W, N] in Fortran order, which is [N, W, H] in C order: one transposed copy.
    fortran = np.asfortranarray(masks.astype(np.uint8, copy=False).transpose(1, 2, 0))
    return [as_text(rle) for rle in coco_mask.encode(fortran)]


def as_text(rle: Mapping[str, Any]) -> RLE:
    """An RLE of pycocotools, whose counts are bytes, as JSON files hold it."""
    return RLE(size=[int(side) for side in rle["size"]], counts=rle["counts"].decode("ascii"))


def decode_masks(rles: list[RLE], size: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """N RLEs of one size as ``[N, H, W]`` uint8 with values 0 and 1 (``[0, *size]`` for an empty list)."""
    if not rles:
        return np.zeros((0, *size), np.uint8)
    return np.ascontiguousarray(coco_mask.decode(rles).transpose(2, 0, 1))


def empty_rle(height: int, width: int) -> RLE:
    """The RLE of an all-zero mask."""
    return encode_masks(np.zeros((1, height, width), np.uint8))[0]


def areas(rles: Sequence[RLE]) -> NDArray[np.int64]:
    """Areas of RLEs in pixels: ``[N]`` int64."""
    chunks = [np.asarray(coco_mask.area(list(rles[i : i + _CHUNK]))) for i in range(0, len(rles), _CHUNK)]
    return np.concatenate(chunks).astype(np.int64) if chunks else np.zeros(0, np.int64)


def rle_boxes(rles: Sequence[RLE]) -> NDArray[np.float64]:
    """Tight boxes of RLEs: ``[N, 4]`` float64 (x0, y0, x1, y1) in pixels, end exclusive; NaN where a mask is empty."""
    boxes = np.full((len(rles), 4), np.nan)
    shown = np.flatnonzero(areas(rles))
    for begin in range(0, len(shown), _CHUNK):
        chunk = shown[begin : begin + _CHUNK]
        boxes[chunk] = coco_mask.toBbox([rles[t] for t in chunk])
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def cover_map(rles: Sequence[RLE], height: int, width: int) -> NDArray[np.uint16]:
    """Index map of overlapping masks: the first mask that covers a pixel owns it.

    Returns:
        ``[height, width]`` uint16: 1 + index of the first mask with that pixel, 0 where there is none.

    Raises:
        ValueError: if a mask has another size, or there are too many masks.
    """
    if len(rles) > np.iinfo(np.uint16).max:
        raise ValueError(f"{len(rles)} masks are more than a 16-bit index map can number")
    for rle in rles:
        if list(rle["size"]) != [height, width]:
            raise ValueError(f"mask of size {list(rle['size'])} in a frame of size {[height, width]}")
    # pycocotools decodes column by column, so the map is built transposed and turned once at the end.
    owner = np.zeros((width, height), np.uint16)
    for index in reversed(range(len(rles))):
        if coco_mask.area(rles[index]):  # Decoding costs far more than counting, and most tracks come and go.
            owner[coco_mask.decode(rles[index]).T.view(bool)] = index + 1
    return np.ascontiguousarray(owner.T)
