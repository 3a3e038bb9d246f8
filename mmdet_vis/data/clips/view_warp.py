"""Camera motion over a still: where each pixel of each view comes from."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WarpOptions:
    """How far the views of a still differ; all are limits of uniform draws except ``elastic``.

    Attributes:
        zoom: least and most magnification common to all views. Above 1 there is room to move without leaving the still.
        translate: shift between first and last view, as a part of each side.
        rotate: turn between first and last view, in degrees; a turn of all views has the same limit.
        scale: change of size between first and last view: by up to this part.
        shear: change of shear between first and last view, in degrees.
        elastic: standard deviation of the shift of the control points of a smooth random field, as a part of the longer
            side, between first and last view.
        grid: control points of that field along each side.
    """

    zoom: tuple[float, float] = (1.0, 1.3)
    translate: float = 0.12
    rotate: float = 12.0
    scale: float = 0.15
    shear: float = 6.0
    elastic: float = 0.015
    grid: int = 5

    def __post_init__(self) -> None:
        limits = (self.translate, self.rotate, self.scale, self.shear, self.elastic)
        if not 0 < self.zoom[0] <= self.zoom[1] or min(limits) < 0 or self.scale >= 1 or self.grid < 2:
            raise ValueError(
                "warp: zoom must be (least, most) above 0, grid 2 or more, the rest 0 or more, scale below 1"
            )


def view_maps(
    source: tuple[int, int], size: tuple[int, int], views: int, options: WarpOptions, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Draw a motion over a still, even from the first to the last view; a single one is in the middle of the motion.

    Args:
        source, size: (height, width) of the still and of the T views.

    Returns:
        T maps ``[h, w, 2]`` float32: the (x, y) in the still of each pixel, for ``cv2.remap``.
    """
    zoom = rng.uniform(*options.zoom)
    extent = np.array([source[1], source[0]], np.float64)
    slack = max(0.0, 1 - 1 / zoom) / 2
    centre = extent * (0.5 + rng.uniform(-slack, slack, 2))
    shift = extent * rng.uniform(-options.translate, options.translate, 2)
    turn, turning = np.deg2rad(rng.uniform(-options.rotate, options.rotate, 2))
    turn *= 0.5
    growth = np.log1p(rng.uniform(-options.scale, options.scale))
    shear = np.tan(np.deg2rad(rng.uniform(-options.shear, options.shear)))
    field = smooth_field(size, options.elastic * max(source), options.grid, rng)
    step = source[1] / size[1] / zoom
    maps = []
    for part in np.linspace(-0.5, 0.5, views) if views > 1 else (0.0,):
        matrix = affine(turn + part * turning, step * np.exp(part * growth), part * shear)
        grid = pixel_grid(size, matrix, centre + part * shift)
        maps.append(grid if field is None else grid + np.float32(part) * field)
    return maps


def affine(angle: float, step: float, shear: float) -> NDArray[np.float64]:
    """Matrix ``[2, 2]`` of a turn (radians), a magnification and a shear (tangent)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return step * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, shear], [0.0, 1.0]])


def pixel_grid(size: tuple[int, int], matrix: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float32]:
    """``[h, w, 2]`` float32: ``matrix`` times the (x, y) of each pixel from the middle, plus ``centre``."""
    height, width = size
    x = np.arange(width, dtype=np.float64) - (width - 1) / 2
    y = np.arange(height, dtype=np.float64) - (height - 1) / 2
    out = np.empty((height, width, 2), np.float32)
    for axis in (0, 1):
        out[..., axis] = (matrix[axis, 1] * y)[:, None] + (matrix[axis, 0] * x + centre[axis] - 0.5)[None, :]
    return out


def smooth_field(
    size: tuple[int, int], strength: float, grid: int, rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Random shifts ``[h, w, 2]`` float32, normal with deviation ``strength`` (pixels) at ``grid`` x ``grid`` points.

    None where the strength is 0; the draws are made all the same, so that nothing else depends on it.
    """
    points = rng.standard_normal((grid, grid, 2)).astype(np.float32)
    if strength == 0:
        return None
    shifts = cv2.resize(points * np.float32(strength), (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(shifts, np.float32)
