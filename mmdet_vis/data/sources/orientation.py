"""What makes a stored picture upright: Exif's orientation of images, the display matrix of videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .image_colour import PILLOW_ERRORS, PILLOW_FORMATS

_TAG = 0x0112
TURNED = 5
"""From this Exif orientation on, height and width change places."""
_Dtype = TypeVar("_Dtype", bound=np.generic)


class Orientation(NamedTuple):
    """Whether rows and columns change places, and which of the two are then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_exif(cls, number: int) -> Orientation:
        """Of an Exif orientation, 1 (as stored) to 8."""
        return cls(number >= TURNED, number in (2, 3, 6, 7), number in (3, 4, 7, 8))

    @classmethod
    def of_frame(cls, frame: Any) -> Orientation:
        """Of the display matrix of a decoded ``av.VideoFrame``; another angle is taken as the nearest quarter turn."""
        entry = frame.side_data.get("DISPLAYMATRIX")
        if entry is None:
            return cls()
        # Nine native 32-bit integers in row order, a b u, c d v, x y w: x' = a x + c y and y' = b x + d y.
        a, b, _, c, d = memoryview(bytes(entry)).cast("i")[:5]
        transpose = abs(b) + abs(c) > abs(a) + abs(d)
        x_from, y_from = (c, b) if transpose else (a, d)
        return cls(transpose, x_from < 0, y_from < 0)

    def upright_size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Size (height, width) after the turn."""
        return (stored[1], stored[0]) if self.transpose else stored

    def upright_aspect(self, stored: Fraction) -> Fraction:
        """Width of a pixel over its height after the turn."""
        return 1 / stored if self.transpose else stored

    def apply(self, picture: NDArray[_Dtype]) -> NDArray[_Dtype]:
        """Turn a picture ``[H, W]`` or ``[H, W, C]`` upright; contiguous."""
        turned = picture.swapaxes(0, 1) if self.transpose else picture
        return np.ascontiguousarray(turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


def exif_orientation(image: Image.Image) -> int:
    """The orientation that Exif data, or the container, ask for: 1 (as stored, or they cannot be read) to 8."""
    try:
        value = image.getexif().get(_TAG, 1)
    except PILLOW_ERRORS:
        return 1
    return int(value) if value in range(1, 9) else 1


def file_orientation(file: Path) -> int:
    """The same of a picture's file; 1 also where it cannot be read."""
    try:
        with Image.open(file, formats=PILLOW_FORMATS) as image:
            return exif_orientation(image)
    except PILLOW_ERRORS:
        return 1
