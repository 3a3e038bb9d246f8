"""The orientation that Exif data gives a picture, and masks that were drawn on it as it is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.sources.image_colour import PILLOW_ERRORS
from mmdet_vis.structures import RLE, decode_masks, encode_masks

_TAG = 0x0112
TURNED = 5
"""From this orientation on, height and width change places."""
_UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda mask: mask[:, ::-1],
    3: lambda mask: mask[::-1, ::-1],
    4: lambda mask: mask[::-1],
    5: lambda mask: mask.T,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: mask[::-1, ::-1].T,
    8: lambda mask: np.rot90(mask),
}


def orientation(file: Path) -> int:
    """The Exif orientation of a picture: 1 (as stored) to 8; 1 also where it cannot be read."""
    try:
        with Image.open(file) as image:
            value = image.getexif().get(_TAG, 1)
    except PILLOW_ERRORS:
        return 1
    return value if value in _UPRIGHT else 1


def turn_upright(rle: RLE, value: int) -> RLE:
    """A mask of a picture as it is stored, for the picture as it is shown (and read) by its Exif orientation."""
    return rle if value not in _UPRIGHT else encode_masks(_UPRIGHT[value](decode_masks([rle])[0])[None])[0]
