"""Masks that were smoothed: shades at the edges of one object, told from the numbers of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.number_pngs import png_mode, read_colours

_WHITE, _GREY, _SHADES = 240, 32, 3
"""White from there on; grey from there on, so that small numbers of objects are no shades; of them, at least."""
_SAMPLES = 20
_STRAY = 0.02
"""As many pixels of the inside may be grey, to those that are white."""


def interior(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """``[H, W]``: pixels whose 8 neighbours have the same of at most 65536 values: not those of soft edges."""
    _, places = np.unique(pixels, return_inverse=True)
    values = places.reshape(pixels.shape).astype(np.uint16)
    around = np.ones((3, 3), np.uint8)
    same: NDArray[np.bool_] = cv2.dilate(values, around) == cv2.erode(values, around)
    return same


def has_soft_edges(pngs: Sequence[Path], coloured: bool = True) -> bool:
    """Whether grey PNGs of a video are binary masks that were scaled or saved with losses.

    White has areas of its own, and the shades of grey, which are at least 3, have none: they are at its edges. Where
    they may be ``coloured``, grey may be written as colours.

    Raises:
        DatasetError: a PNG cannot be read.
    """
    modes = ("L", "LA", "RGB", "RGBA") if coloured else ("L", "LA")
    if any(png_mode(png) not in modes for png in pngs[:1]):
        return False
    shades: set[int] = set()
    white = stray = 0
    for png in pngs[:: max(1, len(pngs) // _SAMPLES)]:
        colours = read_colours(png)
        if (colours % 0x10101).any():
            return False
        grey = colours & 255
        light = grey >= _WHITE
        inside = interior(np.where(light, _WHITE, grey))
        white += int((light & inside).sum())
        stray += int((inside & ~light & (grey > 0)).sum())
        shades |= set(np.unique(grey[(grey >= _GREY) & ~light]).tolist())
    return white > 0 and len(shades) >= _SHADES and stray <= _STRAY * white


def black_or_white(png: Path) -> NDArray[np.uint16]:
    """``[H, W]``: 255 where a grey PNG has half of white or more, else 0."""
    return np.where((read_colours(png) & 255) >= 128, 255, 0).astype(np.uint16)
