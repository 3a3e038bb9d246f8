"""Image files as 8-bit BGR: OpenCV decodes; pictures of more than 8 bits are scaled by the range that they use."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import SourceError
from .base import Frame
from .image_colour import PILLOW_ERRORS, PILLOW_FORMATS
from .image_files import MAX_IMAGE_PIXELS
from .orientation import Orientation, exif_orientation

if "OPENCV_LOG_LEVEL" not in os.environ:
    # What is wrong with an image is one line of ours; OpenCV would add several of its own.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# Depths of sensors that write files of 16 bits: 12 bits shown as 16 are nearly black.
_DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Levels:
    """The values of samples that become black and white.

    Attributes:
        black, white: values of samples.
        name: for people.
    """

    black: float
    white: float
    name: str

    def apply(self, picture: NDArray[Any]) -> Frame:
        """Scale a picture ``[H, W, 3]`` of any numbers to uint8; what is not a number becomes black."""
        span = self.white - self.black
        scaled = (np.nan_to_num(picture.astype(np.float32), nan=self.black) - self.black) * (255 / (span or 1))
        return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def levels_of(pictures: Iterable[NDArray[Any]]) -> Levels:
    """The range of all pictures of a video together: one each would make it flicker.

    Whole numbers are taken to be of the smallest usual depth (8, 10, 12, 14 or 16 bits) that holds them all, real ones
    to be from 0 to 1, to 255 or to 65535; negative or larger ones are spread from the lowest to the highest.
    """
    low, high, whole = np.inf, -np.inf, True
    for picture in pictures:
        whole = whole and picture.dtype.kind in "iu"
        good = picture if picture.dtype.kind in "iu" else picture[np.isfinite(picture)]
        if good.size:
            low, high = min(low, float(good.min())), max(high, float(good.max()))
    if low > high:
        return Levels(0, 1, "no finite value")
    if low >= 0 and whole and high < 2**16:
        bits = next(depth for depth in _DEPTHS if high < 2**depth)
        return Levels(0, 2**bits - 1, f"{bits} bits")
    if low >= 0 and not whole and high < 2**16:
        white = next(value for value in (1, 255, 65535) if high <= value)
        return Levels(0, white, f"0 to {white}")
    return Levels(low, high, f"{low:g} to {high:g}")


def decode_image(file: Path, data: bytes, page: int = 0) -> Frame:
    """Decode a file of 8-bit samples as ``cv2.imread(file)`` does: ``[H, W, 3]`` uint8 BGR, upright.

    From memory, since OpenCV only takes names that are UTF-8. Raises :class:`SourceError`: it cannot be decoded.
    """
    # OpenCV leaves AVIF as it is stored.
    frame = _by_pillow(data, page) if data[4:8] == b"ftyp" else None
    if frame is None:
        frame = _decode(data, cv2.IMREAD_COLOR, page)
    if frame is None:
        frame = _by_pillow(data, page)
    if frame is None or frame.dtype != np.uint8:
        raise SourceError(f"{file}: cannot be decoded as an image; replace or remove this file")
    return np.asarray(frame, dtype=np.uint8)


def decode_deep(file: Path, data: bytes, page: int = 0) -> NDArray[Any]:
    """Decode a file of deeper samples: ``[H, W, 3]`` BGR, upright, of the numbers that it holds. Raises
    :class:`SourceError`.
    """
    picture = _decode(data, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR, page)
    if picture is None:
        picture = _by_pillow(data, page)
    if picture is None:
        raise SourceError(f"{file}: cannot be decoded as an image; replace or remove this file")
    if picture.ndim == 2:
        picture = picture[..., None]
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[..., :3]


def is_transparent(data: bytes) -> bool:
    """Whether a file that has a channel of transparency makes use of it."""
    picture = _decode(data, cv2.IMREAD_UNCHANGED, 0)
    if picture is None or picture.ndim < 3 or picture.shape[2] < 4 or picture.dtype.kind != "u":
        return False
    return int(picture[..., 3].min()) < np.iinfo(picture.dtype).max


def _decode(data: bytes, flags: int, page: int) -> NDArray[Any] | None:
    buffer = np.frombuffer(data, dtype=np.uint8)
    try:
        if page == 0:
            return cv2.imdecode(buffer, flags)
        pages = cv2.imdecodemulti(buffer, flags, None, (page, page + 1))[1]
        return pages[0] if pages else None
    except cv2.error:
        return None


def _by_pillow(data: bytes, page: int) -> NDArray[Any] | None:
    """Decode what OpenCV cannot, or None: ``[H, W, 3]`` uint8 BGR, or ``[H, W]`` of deeper grey samples."""
    try:
        with Image.open(io.BytesIO(data), formats=PILLOW_FORMATS) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                return None
            image.seek(page)
            orientation = Orientation.of_exif(exif_orientation(image))
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return orientation.apply(np.asarray(image))
            return orientation.apply(np.asarray(image.convert("RGB"))[..., ::-1])
    except PILLOW_ERRORS:
        return None
