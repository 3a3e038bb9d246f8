"""PNGs whose pixels are numbers or colours, read as they are stored: of any kind that mask tools write."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mmdet_vis.data.formats.shapes import check_frame_size
from mmdet_vis.data.sources.image_colour import PILLOW_ERRORS
from mmdet_vis.errors import DatasetError

NUMBERS = ("1", "L", "P")
DEEP = ("I;16", "I;16B", "I")
COLOURS = ("RGB", "RGBA", "LA", "PA")


def png_mode(path: Path) -> str:
    """What the pixels of a PNG are, by Pillow's names; empty for what cannot be opened, or is no file."""
    return _head(path)[0]


def png_palette(path: Path) -> bytes | None:
    """The colours of a palette PNG; None for another kind."""
    return _head(path)[1]


def _head(path: Path) -> tuple[str, bytes | None]:
    try:
        if path.is_file():  # a pipe would never end
            with Image.open(path, formats=["PNG"]) as image:
                return image.mode, bytes(image.getpalette() or ()) if image.mode == "P" else None
    except PILLOW_ERRORS:
        pass
    return "", None


def read_numbers(path: Path, modes: tuple[str, ...] = NUMBERS + DEEP) -> NDArray[np.uint16]:
    """The stored values of a PNG of 1 to 16 bits, without its palette, ``[H, W]`` uint16; greys are not stretched.

    Raises:
        DatasetError: the file is missing, damaged, or holds other pixels than those of ``modes``, such as colours.
    """
    image, data = open_png(path, modes)
    pixels = np.array(image).astype(np.uint16)
    bit_depth = data[24]  # IHDR is always the first chunk: 8 bytes signature, 8 head, 4 width, 4 height, depth.
    if image.mode == "L" and bit_depth < 8:
        # Pillow stretches 2- and 4-bit grey to 0..255; the numbers as stored are wanted.
        pixels //= 255 // (2**bit_depth - 1)
    return pixels


def read_colours(path: Path) -> NDArray[np.int32]:
    """The colours of a PNG as numbers 0xRRGGBB, ``[H, W]`` int32; transparent pixels are 0 (black).

    Raises:
        DatasetError: the file is missing or damaged.
    """
    image, _ = open_png(path, NUMBERS + DEEP + COLOURS)
    rgba = np.array(image.convert("RGBA")).astype(np.int32)
    return np.where(rgba[..., 3] == 0, 0, rgba[..., 0] << 16 | rgba[..., 1] << 8 | rgba[..., 2])


def encode_png(pixels: NDArray[np.generic], palette: bytes | None = None) -> bytes:
    """A PNG of numbers ``[H, W]`` uint8 or uint16, or colours ``[H, W, 3]`` uint8."""
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def open_png(path: Path, modes: tuple[str, ...]) -> tuple[Image.Image, bytes]:
    """A PNG, decoded, of one of these kinds of pixels; and the bytes of its file.

    Raises:
        DatasetError: the file is missing or damaged, or has other pixels.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # those of Path fail for names too long
        raise DatasetError(f"{path} is not a file: replace or remove it")
    try:
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        check_frame_size(image.height, image.width, str(path))
        if image.mode in modes:
            image.load()
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist: each frame needs its index PNG") from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"cannot read {path} as a PNG (it is none, or damaged): save it as PNG") from error
    except PILLOW_ERRORS as error:
        raise DatasetError(f"cannot read {path} as a PNG ({error}): replace the file") from error
    if image.mode not in modes:
        raise DatasetError(
            f"{path} holds {image.mode} pixels, not object numbers: save it as a palette or 8-bit grey PNG"
        )
    return image, data
