"""Text tags: drawing them once, and finding a place for each inside the frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mmdet_vis.visualization.fonts import choose_font

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, end exclusive.

_MIN_FONT, _MAX_FONT = 9, 96  # Pixels. Below 9 letters are no longer readable.
_FRAME_SHARE = 28  # The font is a 28th of the frame's shorter side: 17 px at 480p, 39 px at 1080p.


def tag_text(category: str, score: float, track_id: int) -> str:
    """Text of a tag, e.g. ``"giant panda 0.93 #1"``."""
    return f"{' '.join(category.replace('_', ' ').split())} {score:.2f} #{track_id}"


@lru_cache(maxsize=512)
def _draw_tag(text: str, colour: tuple[int, int, int], font_size: int) -> tuple[NDArray, NDArray]:
    """A tag as (BGR ``[h, w, 3]`` float32, opacity ``[h, w, 1]`` float32 in [0, 1]): rounded, text centred.

    Black or white letters, whichever stands out more against ``colour`` (WCAG relative luminance).
    """
    # Height of a line, not of this text: tags must be equally high, whatever their letters and font.
    _, top, _, bottom = choose_font("gj|", font_size)[0].getbbox("Ágj|", anchor="ls")
    font, drawn = choose_font(text, font_size)
    left, above, right, below = font.getbbox(drawn, anchor="ls")
    if above < top or below > bottom:
        smaller = int(font_size * min(top / min(above, -1), bottom / max(below, 1), 1))
        font, drawn = choose_font(text, max(smaller, 1))
        left, above, right, below = font.getbbox(drawn, anchor="ls")
    pad_x, pad_y = max(2, font_size // 3), max(1, font_size // 6)
    width, height = int(right - left) + 2 * pad_x, int(bottom - top) + 2 * pad_y

    letters = Image.new("L", (width, height), 0)
    ImageDraw.Draw(letters).text((pad_x - left, pad_y - top), drawn, fill=255, font=font, anchor="ls")
    # Drawn at four times the size and reduced, since Pillow's own corners are not smooth.
    shape = Image.new("L", (4 * width, 4 * height), 0)
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), radius=font_size, fill=255)
    opacity = np.asarray(shape.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / 255

    ink = np.asarray(letters, np.float32)[..., None] / 255
    linear = [
        channel / 255 / 12.92 if channel <= 10 else ((channel / 255 + 0.055) / 1.055) ** 2.4 for channel in colour
    ]
    luminance = 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]
    letter_value = 0.0 if luminance > 0.179 else 255.0  # Where black and white contrast equally.
    return np.array(colour, np.float32) * (1 - ink) + letter_value * ink, opacity


def fit_tag(text: str, colour: tuple[int, int, int], height: int, width: int) -> tuple[NDArray, NDArray] | None:
    """Draw a tag of a colour (b, g, r) sized with the frame, smaller if the frame is too narrow for its text.

    Returns:
        BGR ``[h, w, 3]`` float32 in 0..255 and opacity ``[h, w, 1]`` float32 in [0, 1]; None if not even the
        smallest readable tag fits into the frame.
    """
    size = min(max(round(min(height, width) / _FRAME_SHARE), _MIN_FONT + 2), _MAX_FONT)
    for font_size in range(size, _MIN_FONT - 1, -1):
        tag = _draw_tag(text, colour, font_size)
        if tag[0].shape[0] <= height and tag[0].shape[1] <= width:
            return tag
    return None


def _overlap(a: Box, b: Box) -> int:
    """Pixels that two boxes share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def place_tag(tag_size: tuple[int, int], box: Box, frame_size: tuple[int, int], taken: list[Box]) -> Box:
    """A place for a tag: above the object, inside at its top, or below, clear of the tags in ``taken`` if possible.

    It is wholly inside the frame, which is not smaller; sizes are (height, width).
    """
    height, width = tag_size
    gap = max(1, height // 8)
    x = min(max(box[0], 0), frame_size[1] - width)
    last_y = frame_size[0] - height
    rows = [box[1] - height - gap, box[1] + gap, box[1] + 2 * gap + height, box[3] + gap]
    # Rows beyond the border move onto it; an object at the top border thus carries its tag inside.
    places = [(x, y, x + width, y + height) for y in (min(max(row, 0), last_y) for row in rows)]
    return min(places, key=lambda place: sum(_overlap(place, other) for other in taken))
