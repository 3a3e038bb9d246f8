"""Decoded pictures as 8-bit BGR of standard dynamic range (BT.709), whatever they were coded as.

Matrix (BT.601, 709, 2020), range (limited, full) and depth are FFmpeg's business. What FFmpeg does not do on its own is
to bring high dynamic range and the wide gamut down: shown as if they were BT.709, such pictures are grey and flat.

Transfer curves are those of Recommendation ITU-R BT.2100: PQ (SMPTE ST 2084) as display light, HLG (ARIB STD-B67) as
scene light. Both are brought to the light of the HDR reference white of Report ITU-R BT.2408 (203 cd/m², which is 58 %
PQ and 75 % HLG), which becomes white. Scene light is coded by the curve of BT.709, display light by the inverse of
BT.1886 (a power of 1/2.4). BT.2020 primaries become BT.709 by the matrix of Report ITU-R BT.2407. Of the signal that
comes out, all up to 0.9 stays; a shoulder brings the highlights above into what is left:
0.9 + 0.1 (1 - exp(-(x - 0.9) / 0.1)).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from .base import Frame

# FFmpeg's numbers (ISO/IEC 23091-2).
BT2020, DISPLAY_P3 = 9, 12
PQ, HLG = 16, 18

_NAMES = {PQ: "HDR (PQ)", HLG: "HDR (HLG)"}
_WHITE_NITS = 203.0
_KNEE = 0.9
_CODES = 2**16
_MOST_LIGHT = 4.0  # Times white; both curves have come to 1 by then.

# To BT.709 primaries, linear light: of BT.2020 (Report ITU-R BT.2407, section 2), and of P3 with the white of D65
# (SMPTE EG 432-1), by the XYZ of both.
_TO_BT709 = {
    BT2020: np.array(
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
        np.float32,
    ),
    DISPLAY_P3: np.array(
        [[1.224940, -0.224940, 0], [-0.042057, 1.042057, 0], [-0.019638, -0.078636, 1.098274]], np.float32
    ),
}
_WIDE = {BT2020: "BT.2020", DISPLAY_P3: "Display P3"}


def pq_to_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Display light in cd/m² of a PQ signal in [0, 1] (EOTF, BT.2100 table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.asarray(signal) ** (1 / m2)
    return 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def hlg_to_scene(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light in [0, 1] of an HLG signal in [0, 1] (inverse OETF, BT.2100 table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.asarray(signal)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def bt709_to_scene(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scene light in [0, 1] of a BT.709 or BT.2020 signal in [0, 1] (inverse OETF)."""
    signal = np.asarray(signal)
    return np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))


def _bt709_signal(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)


def _shoulder(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    room = 1 - _KNEE
    above = np.maximum(signal - _KNEE, 0)
    return np.where(signal <= _KNEE, signal, _KNEE + room * (1 - np.exp(-above / room)))


@lru_cache(maxsize=4)
def _tables(transfer: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Light (1 is white) of each 16-bit signal, and the 8-bit signal of each square root of light.

    Roots, since the eye and the curves ask for fine steps in the dark.
    """
    signal = np.arange(_CODES) / (_CODES - 1)
    light = _MOST_LIGHT * signal**2
    if transfer == PQ:
        return (pq_to_nits(signal) / _WHITE_NITS).astype(np.float32), _bytes(_shoulder(light ** (1 / 2.4)))
    if transfer == HLG:
        scene = hlg_to_scene(signal) / hlg_to_scene(np.float64(0.75))
        return scene.astype(np.float32), _bytes(_shoulder(_bt709_signal(light)))
    return bt709_to_scene(signal).astype(np.float32), _bytes(_bt709_signal(light))


def _bytes(signal: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(np.clip(signal, 0, 1) * 255).astype(np.uint8)


def to_bt709(rgb: NDArray[np.uint16], transfer: int, primaries: int = BT2020) -> Frame:
    """Bring a picture to BT.709.

    Args:
        rgb: ``[H, W, 3]`` uint16, full range, R'G'B' of the transfer curve.
        transfer: :data:`PQ`, :data:`HLG`, or any other number for the curve of BT.709.
        primaries: :data:`BT2020`, :data:`DISPLAY_P3`, or any other number for those of BT.709; PQ and HLG without a
            word on them (2) have those of BT.2020.

    Returns:
        ``[H, W, 3]`` uint8, B'G'R'.
    """
    light_of, signal_of = _tables(transfer if transfer in _NAMES else 1)
    light = light_of[rgb]
    matrix = _TO_BT709.get(_named(transfer, primaries), np.eye(3, dtype=np.float32))
    # One pass for the gamut, the order of the channels and the unit of the second table; then the root of it.
    light = cv2.transform(light, np.ascontiguousarray(matrix[::-1]) / _MOST_LIGHT)
    np.clip(light, 0, 1, out=light)
    cv2.sqrt(light, light)
    light *= _CODES - 1
    return np.asarray(signal_of[light.astype(np.uint16)], dtype=np.uint8)


class BgrConverter:
    """Converts decoded pictures to BT.709 BGR of one size. Not for use from several threads at once.

    Args:
        size: (height, width); a stream may change its frame size on the way, players scale to the first, and so do we.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._height, self._width = size
        self._reformatter = VideoReformatter()

    def __call__(self, picture: Any) -> Frame:
        """Convert a ``av.VideoFrame`` to ``[H, W, 3]`` uint8 BGR."""
        transfer, primaries = colours_of(picture)
        if not note_of(transfer, primaries):
            bgr = self._reformatter.reformat(picture, self._width, self._height, "bgr24").to_ndarray()
            return np.asarray(bgr, dtype=np.uint8)
        rgb = self._reformatter.reformat(picture, self._width, self._height, "rgb48le").to_ndarray()
        return to_bt709(np.asarray(rgb, dtype=np.uint16), transfer, primaries)


def colours_of(picture: Any) -> tuple[int, int]:
    """Transfer curve and primaries of a picture (FFmpeg's numbers; 2 where it does not say)."""
    return int(getattr(picture, "color_trc", 2)), int(getattr(picture, "color_primaries", 2))


def _named(transfer: int, primaries: int) -> int:
    """PQ and HLG without a word on primaries are of BT.2100, which has only those of BT.2020."""
    return BT2020 if transfer in _NAMES and primaries == 2 else primaries


def is_transparent(picture: Any) -> bool:
    """Whether a decoded ``av.VideoFrame`` has pixels that are not opaque; they are shown as they are stored."""
    if not any(part.is_alpha for part in picture.format.components):
        return False
    return bool(picture.reformat(format="rgba").to_ndarray()[..., 3].min() < 255)


def note_of(transfer: int, primaries: int) -> str:
    """What is done to colours, by :func:`colours_of`, to follow a file's name in a message; empty if nothing is."""
    if transfer in _NAMES:
        return f"{_NAMES[transfer]}: tone-mapped to BT.709, {_WHITE_NITS:g} cd/m² is white"
    return f"{_WIDE[primaries]} colours: converted to BT.709" if primaries in _WIDE else ""
