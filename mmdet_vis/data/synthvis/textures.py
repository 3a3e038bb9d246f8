"""Two-colour patterns in the coordinates of an object, evaluated per pixel and as soft as it is large."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating]

# Length of one period of each pattern; an object's radius is 1.
_PERIOD = 0.52


def _step(value: Plane, softness: float) -> Plane:
    """0 below zero and 1 above, with a ramp of width ``2 * softness``."""
    return np.clip(value / (2 * softness) + 0.5, 0.0, 1.0)


def _striped(u: Plane, v: Plane, pixel: float) -> Plane:
    k = 2 * np.pi / _PERIOD
    return _step(np.sin(k * u), min(0.5 * k * pixel, 1.0))


def _dotted(u: Plane, v: Plane, pixel: float) -> Plane:
    """Discs on a triangular lattice."""
    row = _PERIOD * math.sqrt(3) / 2
    nearest = np.full_like(u, np.inf)
    for shift in (0.0, 0.5):
        # The lattice is two rectangular ones, shifted by half a cell.
        du = (u / _PERIOD + shift) - np.round(u / _PERIOD + shift)
        dv = (v / (2 * row) + shift) - np.round(v / (2 * row) + shift)
        nearest = np.minimum(nearest, np.hypot(du * _PERIOD, dv * 2 * row))
    return _step(0.31 * _PERIOD - nearest, 0.5 * pixel)


def _checked(u: Plane, v: Plane, pixel: float) -> Plane:
    k = 2 * np.pi / (1.1 * _PERIOD)
    return _step(np.sin(k * u) * np.sin(k * v), min(0.4 * k * pixel, 1.0))


def _marbled(u: Plane, v: Plane, pixel: float) -> Plane:
    """Veins: level lines of warped waves, thin and irregular."""
    k = 2 * np.pi / (2.2 * _PERIOD)
    a = u + 0.22 * np.sin(k * 1.1 * v + 1.0) + 0.1 * np.sin(k * 2.7 * v)
    b = v + 0.22 * np.sin(k * 0.9 * u + 4.0) + 0.1 * np.sin(k * 2.3 * u + 2.0)
    field = np.sin(k * a) + np.sin(k * 1.3 * b + 0.5) + 0.5 * np.sin(k * (a - b))
    return np.clip(0.5 + 0.38 * field, 0.0, 1.0)


TEXTURES: dict[str, Callable[[Plane, Plane, float], Plane]] = {
    "striped": _striped,
    "dotted": _dotted,
    "checked": _checked,
    "marbled": _marbled,
}


def pattern(name: str, u: Plane, v: Plane, angle: float, offset: tuple[float, float], pixel: float) -> Plane:
    """Share of the second colour, in [0, 1], at points of an object: of the shape and precision of ``u`` and ``v``.

    Args:
        name: a key of :data:`TEXTURES`.
        u, v: coordinates in the object, where its radius is 1; any shape.
        angle, offset: direction of the pattern in radians, and its shift.
        pixel: size of an image pixel in these coordinates; edges are as soft as that.
    """
    # Python floats: numpy's would turn single into double precision.
    c, s = math.cos(angle), math.sin(angle)
    return TEXTURES[name](c * u + s * v + offset[0], c * v - s * u + offset[1], pixel)
