"""Outlines of the objects and how they bend.

A shape lives in its own coordinates, about within the unit circle, head towards +x. Its motion is a
deformation that can be inverted exactly, so that the texture moves with the skin: a wave along the body
(fish), a twist about the centre (star), limbs that swing (turtle), none (ring).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating]  # [..., 2], (x, y)


class Part(NamedTuple):
    """A piece of an outline: contours of [N, 2] points (the second is a hole), textured or plain."""

    contours: list[Points]
    textured: bool


@dataclass(frozen=True)
class Shape:
    """A kind of outline.

    Attributes:
        parts: ``(amount, phase) -> parts`` of the deformed outline, lowest first. ``amount`` 0 is the rest
            pose, 1 the usual movement; ``phase`` in radians runs with time.
        undeform: ``(points, amount, phase) -> points``: from the deformed to the rest pose, ``[..., 2]``
            each.
        heads: whether the object looks in the direction in which it moves.
        flat: whether it is a flat thing that can tilt out of the image plane.
    """

    parts: Callable[[float, float], list[Part]]
    undeform: Callable[[Points, float, float], Points]
    heads: bool = False
    flat: bool = False


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, n: int = 48) -> Points:
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    x, y = radii[0] * np.cos(a), radii[1] * np.sin(a)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([centre[0] + c * x - s * y, centre[1] + s * x + c * y], axis=-1)


def _polar(radius: Callable[[Points], Points], n: int) -> Points:
    """An outline by its distance from the centre at ``n`` angles in radians."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    r = radius(a)
    return np.stack([r * np.cos(a), r * np.sin(a)], axis=-1)


def _rest(points: Points, amount: float, phase: float) -> Points:
    return points


# --- fish: a wave runs from head to tail ---


def _fish_rest() -> Points:
    """A body that is thickest before the middle and narrows to a tail fin."""
    x = np.linspace(1.0, -0.62, 40)
    s = (1.0 - x) / 1.62
    half = 0.47 * np.sqrt(s) * (1 - s) ** 0.75 * 2.05 + 0.07 * s
    fin = np.array([[-0.95, 0.44], [-1.0, 0.36], [-0.86, 0.0]])
    upper = np.concatenate([np.stack([x, half], -1), fin])
    lower = upper[-2:0:-1] * (1, -1)
    return np.concatenate([upper, lower])


_FISH = _fish_rest()


def _fish_wave(x: NDArray[np.floating], amount: float, phase: float) -> NDArray[np.floating]:
    swing = 0.03 + 0.2 * np.clip((1.0 - x) / 2, 0, 1) ** 1.5
    return amount * swing * np.sin(2.6 * x + phase)


def _fish_parts(amount: float, phase: float) -> list[Part]:
    bent = _FISH.copy()
    bent[:, 1] += _fish_wave(bent[:, 0], amount, phase)
    return [Part([bent], textured=True)]


def _fish_undeform(points: Points, amount: float, phase: float) -> Points:
    rest = points.copy()
    rest[..., 1] -= _fish_wave(points[..., 0], amount, phase)
    return rest


# --- star: the arms curl ---


_STAR = _polar(lambda a: 0.7 + 0.3 * np.cos(5 * a), 120)


def _twist(points: Points, amount: float, phase: float) -> Points:
    """Turn every point about the centre by an angle that depends on its distance (which stays)."""
    r = np.hypot(points[..., 0], points[..., 1])
    angle = amount * 0.45 * r * np.sin(phase - 1.5 * r)
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)


def _star_parts(amount: float, phase: float) -> list[Part]:
    return [Part([_twist(_STAR, amount, phase)], textured=True)]


def _star_undeform(points: Points, amount: float, phase: float) -> Points:
    return _twist(points, -amount, phase)


# --- turtle: four flippers, a head and a tail move about a stiff shell ---

# (shoulder x, shoulder y, length, width, rest angle, swing, phase offset); mirrored for the other side.
_FLIPPERS = ((0.38, 0.40, 0.36, 0.17, 1.05, 0.55, 0.0), (-0.42, 0.36, 0.26, 0.15, 2.3, 0.45, np.pi))


def _turtle_parts(amount: float, phase: float) -> list[Part]:
    parts = []
    for x, y, length, width, rest, swing, offset in _FLIPPERS:
        angle = rest + amount * swing * np.sin(phase + offset)
        tip = (x + 0.75 * length * np.cos(angle), y + 0.75 * length * np.sin(angle))
        flipper = _ellipse(tip, (length, width), angle, 24)
        parts += [Part([flipper], textured=False), Part([flipper * (1, -1)], textured=False)]
    nod = amount * 0.25 * np.sin(0.5 * phase)
    head = _ellipse((0.78 * np.cos(nod), 0.78 * np.sin(nod)), (0.25, 0.19), nod, 24)
    tail = np.array([[-0.6, 0.12], [-0.95, -0.06 * amount * np.sin(phase)], [-0.6, -0.12]])
    shell = _ellipse((0.0, 0.0), (0.68, 0.56))
    return [*parts, Part([head], False), Part([tail], False), Part([shell], textured=True)]


# --- ring: stiff, with a hole ---


def _ring_parts(amount: float, phase: float) -> list[Part]:
    return [Part([_ellipse((0, 0), (0.92, 0.92), n=72), _ellipse((0, 0), (0.36, 0.36))], textured=True)]


# --- foreground scenery ---


def _reed_parts(amount: float, phase: float) -> list[Part]:
    """A stem that crosses the frame along y and sways."""
    y = np.linspace(-1, 1, 24)
    centre = amount * 0.03 * np.sin(2.2 * y + 0.3 * phase)
    left, right = np.stack([centre - 0.02, y], -1), np.stack([centre + 0.02, y], -1)
    return [Part([np.concatenate([left, right[::-1]])], textured=True)]


_ROCK = _polar(lambda a: 0.82 + 0.1 * np.cos(2 * a + 0.7) + 0.08 * np.cos(3 * a + 2.1) + 0.04 * np.cos(7 * a), 60)


SHAPES: dict[str, Shape] = {
    "fish": Shape(_fish_parts, _fish_undeform, heads=True),
    "turtle": Shape(_turtle_parts, _rest, heads=True),
    "star": Shape(_star_parts, _star_undeform),
    "ring": Shape(_ring_parts, _rest, flat=True),
    "reed": Shape(_reed_parts, _rest),
    "rock": Shape(lambda amount, phase: [Part([_ROCK], textured=True)], _rest),
}


@cache
def rest_area(name: str) -> float:
    """Area of a shape of radius 1 in its rest pose."""
    scale = 200
    canvas = np.zeros((3 * scale, 3 * scale), np.uint8)
    for part in SHAPES[name].parts(0.0, 0.0):
        cv2.fillPoly(canvas, [np.round((c + 1.5) * scale).astype(np.int32) for c in part.contours], 1)
    return float(canvas.sum()) / scale**2
