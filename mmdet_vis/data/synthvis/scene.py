"""What happens in a video: drawn from a random generator before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmdet_vis.data.synthvis import motion
from mmdet_vis.data.synthvis.background import Background, Colour, draw_canvas, hsv
from mmdet_vis.data.synthvis.categories import CATEGORIES, DISTRACTORS, Category, confusable
from mmdet_vis.data.synthvis.options import DatasetOptions, Difficulty
from mmdet_vis.data.synthvis.shapes import SHAPES, rest_area


@dataclass
class Actor:
    """Anything that moves in front of the background.

    Attributes:
        shape, texture: names in ``SHAPES`` and ``TEXTURES``.
        category: what it is labelled as, or None (distractor, scenery).
        colours: first and second colour of the pattern.
        path: position of its centre.
        radius: mean radius in pixels.
        swell: amplitude and phase of the ``log`` of its size.
        spin: angle at the start (relative to the heading where the shape has one) and turn per frame,
            radians.
        tilt: how far it turns out of the image plane, 0 to 1 (flat shapes).
        deform: amount of its deformation.
        beat: phase of the deformation at the start and its advance per frame, radians.
        skin: angle and offset (x, y) of the pattern.
    """

    shape: str
    texture: str
    category: Category | None
    colours: tuple[Colour, Colour]
    path: motion.Path
    radius: float
    swell: tuple[float, float]
    spin: tuple[float, float]
    tilt: float
    deform: float
    beat: tuple[float, float]
    skin: tuple[float, float, float]

    def frame_of_reference(self, t: float, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """``(matrix [2, 2], centre [2])`` from the actor's coordinates to pixels at time ``t``."""
        size = self.radius * np.exp(self.swell[0] * np.sin(self.swell[1] + 1.5 * np.pi * t / frames))
        angle = self.spin[0] + self.spin[1] * t
        if SHAPES[self.shape].heads:
            angle += self.path.heading(t)
        squash = 1 - self.tilt * 0.5 * (1 + np.sin(self.beat[0] + 0.6 * self.beat[1] * t))
        c, s = np.cos(angle), np.sin(angle)
        return size * np.array([[c, -s], [s, c]]) @ np.diag([1.0, squash]), self.path(t)

    def phase(self, t: float) -> float:
        """Phase of the deformation at time ``t``."""
        return self.beat[0] + self.beat[1] * t

    def area(self, t: float, frames: int) -> float:
        """Area in pixels at time ``t`` if nothing hid it."""
        return abs(float(np.linalg.det(self.frame_of_reference(t, frames)[0]))) * rest_area(self.shape)


@dataclass
class Scene:
    """A video before rendering.

    Attributes:
        width, height, frames: size of the video.
        background: the ground.
        actors: lowest first; each hides those before it.
        gains: ``[frames]`` brightness factor per frame.
        level: difficulty parameters.
    """

    width: int
    height: int
    frames: int
    background: Background
    actors: list[Actor]
    gains: np.ndarray
    level: Difficulty


def frame_scale(width: int, height: int) -> float:
    """The length in pixels of which the lengths of a :class:`Difficulty` are fractions."""
    return float(min(np.sqrt(width * height), 1.5 * min(width, height)))


def draw_scene(rng: np.random.Generator, options: DatasetOptions, main: Category) -> Scene:
    """Draw a video whose main category is ``main``."""
    level = options.level
    scale = frame_scale(options.width, options.height)
    reach = rng.uniform(*level.camera) * scale
    canvas = draw_canvas(
        rng,
        int(1.5 * options.width),
        int(1.5 * options.height),
        cell=scale / 3,
        clutter=level.clutter,
        saturation=level.background_saturation,
    )
    camera = motion.drift(rng, options.frames, reach)
    turn, zoom = rng.uniform(-0.5, 0.5, 2) * (level.camera[1], level.camera[1])
    background = Background(canvas, camera, float(turn), float(zoom), options.frames)
    actors = _draw_objects(rng, options, main, scale)
    for _ in range(int(rng.integers(level.distractors + 1))):
        kind = DISTRACTORS[int(rng.integers(len(DISTRACTORS)))]
        radius = rng.uniform(*level.radius) * scale
        path = _lonely_path(rng, options, radius, scale)
        actors.append(_draw_actor(rng, options, kind, path, radius))
    actors = [actors[i] for i in rng.permutation(len(actors))]
    for _ in range(int(rng.integers(level.occluders + 1))):
        actors.append(_draw_occluder(rng, options, camera, scale))
    return Scene(options.width, options.height, options.frames, background, actors, _draw_gains(rng, options), level)


def _draw_objects(rng: np.random.Generator, options: DatasetOptions, main: Category, scale: float) -> list[Actor]:
    """The labelled objects: one or two (crossing) of the main category, and others."""
    level = options.level
    count = int(rng.integers(level.objects[0], level.objects[1] + 1))
    actors = []
    if count >= 2 and rng.random() < level.pair:
        radii = rng.uniform(*level.radius, 2) * scale
        paths = motion.cross(rng, (options.width, options.height), options.frames, float(radii.mean()))
        actors = [_draw_actor(rng, options, main, p, float(r)) for p, r in zip(paths, radii, strict=True)]
        if rng.random() < level.twin_colours:
            actors[1].colours = actors[0].colours
    while len(actors) < count:
        category = _other_category(rng, level, main) if actors else main
        radius = rng.uniform(*level.radius) * scale
        path = _lonely_path(rng, options, radius, scale)
        actors.append(_draw_actor(rng, options, category, path, radius))
    return actors


def _other_category(rng: np.random.Generator, level: Difficulty, main: Category) -> Category:
    choices = confusable(main) if rng.random() < level.confusable else CATEGORIES
    return choices[int(rng.integers(len(choices)))]


def _lonely_path(rng: np.random.Generator, options: DatasetOptions, radius: float, scale: float) -> motion.Path:
    size = (options.width, options.height)
    if rng.random() < options.level.leave:
        return motion.leave(rng, size, options.frames, radius * np.exp(options.level.scale_change[1]))
    low, high = options.level.travel
    return motion.wander(rng, size, options.frames, radius, (low * scale, high * scale))


def _draw_actor(
    rng: np.random.Generator,
    options: DatasetOptions,
    kind: Category | tuple[str, str],
    path: motion.Path,
    radius: float,
) -> Actor:
    """An object of a category, or one with the shape and the texture of none."""
    *_, shape, texture = kind
    level = options.level
    heads = SHAPES[shape].heads
    return Actor(
        shape=shape,
        texture=texture,
        category=kind if isinstance(kind, Category) else None,
        colours=_draw_colours(rng),
        path=path,
        radius=radius,
        swell=(rng.uniform(*level.scale_change), rng.uniform(0, 2 * np.pi)),
        spin=(0.0, 0.0) if heads else (rng.uniform(0, 2 * np.pi), rng.uniform(-0.15, 0.15)),
        tilt=rng.uniform(0, 0.4) if SHAPES[shape].flat else 0.0,
        deform=level.deform * rng.uniform(0.7, 1.2),
        beat=(rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.9)),
        skin=(rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)),
    )


def _draw_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """A light and a dark colour of any hues, in either order: colours tell nothing about the category."""
    hue = rng.random()
    light = hsv(hue, rng.uniform(0.1, 0.8), rng.uniform(0.85, 1.0))
    dark = hsv(hue + rng.uniform(0.15, 0.85), rng.uniform(0.6, 1.0), rng.uniform(0.2, 0.55))
    return (light, dark) if rng.random() < 0.5 else (dark, light)


def _draw_occluder(rng: np.random.Generator, options: DatasetOptions, camera: motion.Path, scale: float) -> Actor:
    """A reed across the frame or a rock, nearer than the ground and so faster than it."""
    reed = rng.random() < 0.6
    size = np.array([options.width, options.height])
    start = rng.uniform(0.1, 0.9, 2) * size
    if reed:
        start[1] = size[1] / 2
    times = np.linspace(0, options.frames - 1, 5)
    path = motion.Path(times.tolist(), [start - 1.3 * camera(t) for t in times])
    hue = rng.random()
    colours = (hsv(hue, 0.5, rng.uniform(0.2, 0.4)), hsv(hue, 0.4, rng.uniform(0.4, 0.6)))
    # A reed must reach over the frame's border wherever the camera goes.
    radius = 1.5 * float(size.max()) if reed else rng.uniform(0.1, 0.16) * scale
    return Actor(
        shape="reed" if reed else "rock",
        texture="marbled",
        category=None,
        colours=colours,
        path=path,
        radius=radius,
        swell=(0.0, 0.0),
        spin=(rng.uniform(-0.3, 0.3) if reed else rng.uniform(0, 2 * np.pi), 0.0),
        tilt=0.0,
        deform=1.0,
        beat=(rng.uniform(0, 2 * np.pi), 0.3),
        skin=(0.0, rng.uniform(-3, 3), rng.uniform(-3, 3)),
    )


def _draw_gains(rng: np.random.Generator, options: DatasetOptions) -> np.ndarray:
    """Brightness per frame: a slow wave around 1 that stays within ``1 ± brightness``."""
    t = np.arange(options.frames) / options.frames
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * t + rng.random()))
    return 1 + options.level.brightness * rng.uniform(0.3, 1.0) * wave
