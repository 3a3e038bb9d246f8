"""The textured ground over which the camera moves."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.synthvis.motion import Path
from mmdet_vis.data.synthvis.textures import TEXTURES, pattern

Colour = NDArray[np.float32]  # [3], BGR, 0 to 255


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """BGR of a colour; hue may be any number (its fraction counts), the others are in [0, 1]."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return np.array([b, g, r], np.float32) * 255


def value_noise(rng: np.random.Generator, height: int, width: int, cell: float) -> NDArray[np.float32]:
    """Smooth noise ``[height, width]`` in about [0, 1] with features of ``cell`` pixels, in four octaves."""
    total = np.zeros((height, width), np.float32)
    weight = 0.0
    for octave in range(4):
        size = max(cell / 2**octave, 2.0)
        grid = rng.random((int(height / size) + 2, int(width / size) + 2), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
        weight += 1 / 2**octave
    total /= weight
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


@dataclass
class Background:
    """A picture larger than the frame and the camera's movement over it.

    Attributes:
        canvas: ``[H, W, 3]`` float32 BGR, 0 to 255.
        camera: shift of the view in pixels.
        turn: angle in radians gained over the video.
        zoom: ``log`` of the scale gained over the video.
        frames: length of the video.
    """

    canvas: NDArray[np.float32]
    camera: Path
    turn: float
    zoom: float
    frames: int

    def view(self, t: float, width: int, height: int) -> NDArray[np.float32]:
        """The ground at time ``t`` (in frames): ``[height, width, 3]`` float32 BGR."""
        share = t / (self.frames - 1) - 0.5
        scale, angle = np.exp(self.zoom * share), self.turn * share
        c, s = np.cos(angle) / scale, np.sin(angle) / scale
        turn = np.array([[c, -s], [s, c]])
        centre = np.array([self.canvas.shape[1], self.canvas.shape[0]]) / 2 + self.camera(t)
        offset = centre - turn @ np.array([width / 2, height / 2])
        # The canvas is mirrored at its border, so that no camera path runs out of ground.
        return cv2.warpAffine(
            self.canvas,
            np.column_stack([turn, offset]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )


def draw_canvas(
    rng: np.random.Generator, width: int, height: int, cell: float, clutter: float, saturation: float
) -> NDArray[np.float32]:
    """The ground, ``[height, width, 3]`` float32 BGR, 0 to 255: colours mixed by noise, and the objects' patterns.

    Args:
        cell: size of the largest features in pixels.
        clutter: contrast of the patterns, 0 to 1.
        saturation: upper bound of the colours' saturation.
    """
    hue = rng.random()
    stops = [hsv(hue + rng.normal(0, 0.07), rng.uniform(0.3, 1) * saturation, v) for v in (0.25, 0.5, 0.75)]
    mix = value_noise(rng, height, width, cell)
    fine = value_noise(rng, height, width, cell / 6)
    # Where the darkest and the brightest tone fall differs from video to video.
    level = np.clip(0.75 * mix + 0.25 * fine + rng.uniform(-0.25, 0.25), 0, 1)
    canvas = np.stack([np.interp(level, (0.1, 0.5, 0.9), [s[i] for s in stops]) for i in range(3)], axis=-1)
    if clutter > 0:
        canvas *= _patches(rng, width, height, cell, clutter)[..., None]
    return np.clip(canvas, 0, 255).astype(np.float32)


def _patches(rng: np.random.Generator, width: int, height: int, cell: float, clutter: float) -> NDArray[np.float32]:
    """Brightness factors ``[height, width]`` of two patterns, each within the patches of a noise field."""
    factor = np.ones((height, width), np.float32)
    y, x = np.mgrid[:height, :width] + 0.5
    for name in rng.choice(list(TEXTURES), 2, replace=False):
        unit = cell * rng.uniform(0.4, 0.9)
        value = pattern(str(name), x / unit, y / unit, rng.uniform(0, np.pi), (0.0, 0.0), 1 / unit)
        patch = np.clip((value_noise(rng, height, width, cell * 1.5) - 0.5) * 8, 0, 1)
        factor *= 1 + clutter * 0.8 * patch * (value - 0.5).astype(np.float32)
    return factor
