"""Colours of image files that are not sRGB, brought to it: ICC profiles, and the code points of AVIF and PNG.

What phones, Macs and photo programs save names its colours in an ICC profile; read as sRGB such pictures are pale. A
profile that gives nearly the colours of sRGB, as most do, changes nothing. High dynamic range and the wide gamut of
code points (ITU-T H.273) become what they become in videos, see :mod:`.video_colour`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from .base import Frame
from .video_colour import note_of, to_bt709

# What is asked of Pillow. No others: some of its readers start programs.
PILLOW_FORMATS = ("TIFF", "JPEG", "PNG", "WEBP", "AVIF")
PILLOW_ERRORS = (
    *(OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, IndexError),
    *(struct.error, ArithmeticError, RuntimeError, Image.DecompressionBombError),
)

_HEAD = 2**16  # bytes before which an AVIF file names its colours
_MOST_PROFILE = 2**22
_MARKS = {b"\xff\xd8": b"ICC_PROFILE\0", b"\x89P": b"iCCP", b"RI": b"ICCP", b"II": b"", b"MM": b""}
_LIKE = 4  # Levels of 255 by which a profile may differ from sRGB and be taken as it.
_CMS_ERRORS = (*PILLOW_ERRORS, ImageCms.PyCMSError, ImportError, AttributeError)


@dataclass(frozen=True)
class Colours:
    """What is to be done to a picture.

    Attributes:
        note: which colours these are, and what becomes of them.
        apply: brings a frame ``[H, W, 3]`` uint8 BGR to sRGB.
    """

    note: str
    apply: Callable[[Frame], Frame]


def colours_of_image(data: bytes) -> Colours | None:
    """The colours of an image file by its bytes; None for those of sRGB, or where it does not say."""
    avif = data[4:8] == b"ftyp"
    if avif or data.startswith(b"\x89P"):
        found = colours_of_codes(data)
        if found is not None:
            return found
    mark = (b"prof" if b"prof" in data[:_HEAD] else b"rICC") if avif else _MARKS.get(data[:2])
    if mark is None or mark not in data:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=PILLOW_FORMATS) as image:
            return colours_of_profile(image.info.get("icc_profile"))
    except PILLOW_ERRORS:
        return None  # whether it can be decoded is not asked here


def colours_of_codes(data: bytes) -> Colours | None:
    """The colours that the first bytes of an AVIF or PNG file name by code points (ITU-T H.273)."""
    if data.startswith(b"\x89P"):
        place = data.find(b"cICP", 0, data.find(b"IDAT") if b"IDAT" in data[:_HEAD] else _HEAD) + 4
        primaries, transfer = data[place : place + 2] if place > 3 and len(data) > place + 2 else (2, 2)
    else:
        place = data.find(b"colrnclx", 0, _HEAD) + 8
        named = data[place : place + 4] if place > 7 and len(data) > place + 4 else b"\0\2\0\2"
        primaries, transfer = int.from_bytes(named[:2], "big"), int.from_bytes(named[2:], "big")
    note = note_of(transfer, primaries)
    if not note:
        return None
    return Colours(note, lambda frame: to_bt709(frame[..., ::-1].astype(np.uint16) * 257, transfer, primaries))


def colours_of_profile(profile: Any) -> Colours | None:
    """The colours of an embedded ICC profile; None for none, for one of grey or CMYK, and for one that is like sRGB."""
    return _of_profile(profile) if isinstance(profile, bytes) and 0 < len(profile) <= _MOST_PROFILE else None


@lru_cache(maxsize=16)
def _of_profile(data: bytes) -> Colours | None:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space.strip() != "RGB":
            return None
        name = " ".join((profile.profile.profile_description or "an ICC profile").split())[:40]
        transform = ImageCms.buildTransform(
            profile, ImageCms.createProfile("sRGB"), "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
        moved = int(np.abs(_by_profile(grid, transform).astype(int) - grid).max())
    except _CMS_ERRORS:
        return Colours("a colour profile that cannot be used: taken as sRGB", lambda frame: frame)
    if moved <= _LIKE or "srgb" in name.lower():
        return None
    return Colours(f"{name}: converted", lambda frame: _by_profile(frame, transform))


def _by_profile(frame: Frame, transform: Any) -> Frame:
    rgb = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
    done = ImageCms.applyTransform(rgb, transform)
    return np.ascontiguousarray(np.asarray(done)[..., ::-1])
