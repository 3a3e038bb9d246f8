"""Paths of objects through the frame: smooth curves through way points.

Times are in frames, positions in pixels (pixel ``i`` covers ``[i, i + 1)``). A path reaches beyond the frame
where an object leaves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

Vector = NDArray[np.float64]  # [2], (x, y)

# Samples per frame from which the heading is taken, and their smoothing in frames.
_DENSITY, _HEADING_SMOOTHING = 4, 1.2


class Path:
    """A curve through way points.

    Args:
        times: [N] increasing, in frames, N >= 2.
        points: [N, 2] positions in pixels.
        smooth: a cubic spline; otherwise a monotone one that never swings beyond its way points.
    """

    def __init__(self, times: Sequence[float], points: Sequence[Vector], smooth: bool = True) -> None:
        t, p = np.asarray(times, float), np.asarray(points, float)
        # Natural ends: the other kinds rush through the first and the last stretch.
        self._curve = CubicSpline(t, p, bc_type="natural") if smooth else PchipInterpolator(t, p)
        start, end = float(times[0]), float(times[-1])
        self._dense = np.linspace(start, end, max(2, int((end - start) * _DENSITY) + 1))
        velocity = np.gradient(self._curve(self._dense), axis=0)
        velocity = gaussian_filter1d(velocity, _DENSITY * _HEADING_SMOOTHING, axis=0, mode="nearest")
        self._heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))

    def __call__(self, t: float) -> Vector:
        """Position at time ``t``: [2]."""
        return np.asarray(self._curve(t))

    def heading(self, t: float) -> float:
        """Direction of movement at ``t`` in radians, smoothed over about three frames."""
        return float(np.interp(t, self._dense, self._heading))


def _inside(rng: np.random.Generator, size: tuple[int, int], margin: float) -> Vector:
    """A point at least ``margin`` (or a third of the frame) from the border. ``size`` is (w, h)."""
    extent = np.asarray(size, float)
    edge = np.minimum(margin, extent / 3)
    return rng.uniform(edge, extent - edge)


def _direction(angle: float) -> Vector:
    return np.array([np.cos(angle), np.sin(angle)])


def wander(
    rng: np.random.Generator, size: tuple[int, int], frames: int, radius: float, travel: tuple[float, float]
) -> Path:
    """Four way points within the frame, ``travel`` pixels (a range) apart."""
    points = [_inside(rng, size, radius)]
    edge = np.minimum(0.7 * radius, np.asarray(size) / 3)
    for _ in range(3):
        step = rng.uniform(*travel) * _direction(rng.uniform(0, 2 * np.pi))
        # A step that would leave the frame is turned back rather than cut short, which keeps the speed.
        landing = points[-1] + step
        points.append(np.where((landing < edge) | (landing > size - edge), points[-1] - step, landing))
        points[-1] = np.clip(points[-1], edge, size - edge)
    # A long step gets more time than a short one, so that the speed stays about even.
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1) + 0.25 * travel[1] + 1.0
    times = np.concatenate([[0.0], np.cumsum(lengths)]) * (frames - 1) / lengths.sum()
    return Path(times.tolist(), points)


def leave(rng: np.random.Generator, size: tuple[int, int], frames: int, radius: float) -> Path:
    """Out of the frame over one side and back in, elsewhere on the same side."""
    side = int(rng.integers(4))
    axis, far = side % 2, side // 2
    outside_coordinate = size[axis] + 1.35 * radius if far else -1.35 * radius
    start, end = _inside(rng, size, radius), _inside(rng, size, radius)
    gone, back = start.copy(), end.copy()
    gone[axis] = back[axis] = outside_coordinate
    middle = rng.uniform(0.4, 0.6)
    times = np.array([0.0, middle - 0.1, middle + 0.1, 1.0]) * (frames - 1)
    return Path(times.tolist(), [start, gone, back, end], smooth=False)


def cross(rng: np.random.Generator, size: tuple[int, int], frames: int, radius: float) -> tuple[Path, Path]:
    """Two paths that meet around the middle of the video, one object partly over the other."""
    extent = np.asarray(size, float)
    meeting = rng.uniform(0.35, 0.65, 2) * extent
    middle = rng.uniform(0.4, 0.6) * (frames - 1)
    angle = rng.uniform(0, 2 * np.pi)
    # Not head-on every time: the second comes from 60 to 180 degrees off the first.
    angles = (angle, angle + rng.choice([-1, 1]) * rng.uniform(np.pi / 3, np.pi))
    shift = rng.uniform(0.3, 0.9) * radius * _direction(rng.uniform(0, 2 * np.pi))
    paths = []
    for a, offset in zip(angles, (shift / 2, -shift / 2), strict=True):
        ends = [_towards_border(rng, meeting, direction, extent, radius) for direction in (a + np.pi, a)]
        paths.append(Path([0.0, middle, frames - 1.0], [ends[0], meeting + offset, ends[1]]))
    return paths[0], paths[1]


def _towards_border(rng: np.random.Generator, origin: Vector, angle: float, extent: Vector, radius: float) -> Vector:
    """A point from ``origin`` in a direction bent by up to 0.4 rad, most of the way to the frame's border."""
    direction = _direction(angle + rng.uniform(-0.4, 0.4))
    room = np.where(direction > 0, extent - origin, origin) / np.maximum(np.abs(direction), 1e-6)
    length = max(float(room.min()) - 0.5 * radius, 1.6 * radius)
    return origin + rng.uniform(0.75, 1.0) * length * direction


def drift(rng: np.random.Generator, frames: int, reach: float) -> Path:
    """The camera: a slow curve that starts at (0, 0) and ends about ``reach`` pixels away."""
    end = reach * _direction(rng.uniform(0, 2 * np.pi))
    middle = end / 2 + 0.25 * reach * _direction(rng.uniform(0, 2 * np.pi))
    return Path([0.0, (frames - 1) / 2, frames - 1.0], [np.zeros(2), middle, end])
