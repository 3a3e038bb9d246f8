"""SynthVIS before the files: categories, shapes, textures, paths, masks and blur."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mmdet_vis.data.synthvis.background import Background, hsv
from mmdet_vis.data.synthvis.categories import CATEGORIES, DISTRACTORS, confusable
from mmdet_vis.data.synthvis.motion import Path, cross, leave, wander
from mmdet_vis.data.synthvis.options import LEVELS, DatasetOptions
from mmdet_vis.data.synthvis.render import masks_at, rasterise, render_frame
from mmdet_vis.data.synthvis.scene import Actor, Scene, draw_scene
from mmdet_vis.data.synthvis.shapes import SHAPES, rest_area
from mmdet_vis.data.synthvis.textures import TEXTURES, pattern

WIDTH, HEIGHT, FRAMES = 200, 120, 11


def ring(start: tuple[float, float], end: tuple[float, float], radius: float = 30.0, shape: str = "ring") -> Actor:
    """An actor that moves evenly from ``start`` to ``end`` and does nothing else."""
    return Actor(
        shape=shape,
        texture="striped",
        category=CATEGORIES[-1],
        colours=(hsv(0, 0, 1), hsv(0, 0, 0.9)),
        path=Path([0.0, FRAMES - 1.0], [np.array(start), np.array(end)]),
        radius=radius,
        swell=(0.0, 0.0),
        spin=(0.0, 0.0),
        tilt=0.0,
        deform=0.0,
        beat=(0.0, 0.0),
        skin=(0.0, 0.0, 0.0),
    )


def scene_of(*actors: Actor, exposure: float = 0.0, samples: int = 1) -> Scene:
    """Actors before a black, still ground, without noise or change of light."""
    still = Path([0.0, FRAMES - 1.0], [np.zeros(2), np.zeros(2)])
    ground = Background(np.zeros((HEIGHT, WIDTH, 3), np.float32), still, 0.0, 0.0, FRAMES)
    level = replace(LEVELS["easy"], exposure=exposure, blur_samples=samples, rim=0.0)
    return Scene(WIDTH, HEIGHT, FRAMES, ground, list(actors), np.ones(FRAMES), level)


def centroid(weights: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


def test_neither_shape_nor_texture_alone_names_a_category() -> None:
    assert len({c.name for c in CATEGORIES}) == 8
    assert [c.id for c in CATEGORIES] == list(range(1, 9))
    assert set(Counter(c.shape for c in CATEGORIES).values()) == {2}
    assert set(Counter(c.texture for c in CATEGORIES).values()) == {2}
    for category in CATEGORIES:
        others = confusable(category)
        assert len(others) == 2
        assert category not in others
    assert not {(c.shape, c.texture) for c in CATEGORIES} & set(DISTRACTORS)
    assert len(DISTRACTORS) == 8


@pytest.mark.parametrize("name", ["fish", "star"])
def test_texture_moves_with_the_skin(name: str) -> None:
    shape = SHAPES[name]
    rest = shape.parts(0.0, 0.0)[0].contours[0]
    bent = shape.parts(1.3, 0.8)[0].contours[0]
    assert np.abs(bent - rest).max() > 0.05
    np.testing.assert_allclose(shape.undeform(bent, 1.3, 0.8), rest, atol=1e-12)


@pytest.mark.parametrize("name", list(SHAPES))
@pytest.mark.parametrize("phase", [0.0, 2.0, 4.0])
def test_shapes_stay_within_reach(name: str, phase: float) -> None:
    points = np.concatenate([c for p in SHAPES[name].parts(1.5, phase) for c in p.contours])
    assert np.abs(points).max() < 1.5
    assert rest_area(name) > 0.05


@pytest.mark.parametrize("name", list(TEXTURES))
def test_textures_use_both_colours_at_every_scale(name: str) -> None:
    v, u = np.mgrid[-1:1:80j, -1:1:80j]
    for pixel in (0.01, 0.05, 0.1):
        value = pattern(name, u, v, 0.3, (0.1, -0.2), pixel)
        assert value.min() < 0.1
        assert value.max() > 0.9
        assert 0.25 < value.mean() < 0.75
        assert value.min() >= 0
        assert value.max() <= 1


def test_mask_has_the_area_of_the_outline() -> None:
    scene = scene_of(ring((100, 60), (100, 60), radius=40))
    expected = np.pi * (0.92**2 - 0.36**2) * 40**2
    assert masks_at(scene, 0)[0].sum() == pytest.approx(expected, rel=0.01)
    assert scene.actors[0].area(0, FRAMES) == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(centroid(masks_at(scene, 0)[0]), (100, 60), atol=0.1)


def test_image_and_mask_agree_to_the_pixel() -> None:
    scene = scene_of(ring((97.3, 58.6), (120, 70), radius=33.3))
    scene.actors[0].colours = (hsv(0, 0, 1), hsv(0, 0, 1))
    image = render_frame(scene, 0, np.random.default_rng(0))
    # White over black: the grey value is the coverage.
    np.testing.assert_array_equal(image[..., 0] > 128, masks_at(scene, 0)[0].astype(bool))


def test_front_hides_back_exactly() -> None:
    back, front = ring((90, 60), (90, 60)), ring((110, 65), (110, 65))
    alone = masks_at(scene_of(back), 0)[0], masks_at(scene_of(front), 0)[0]
    both = masks_at(scene_of(back, front), 0)
    np.testing.assert_array_equal(both[1], alone[1])
    assert not np.any(both[0] & both[1])
    # Through the hole of the front ring the back one stays visible.
    front_layer = rasterise(front, scene_of(front), 0)
    assert front_layer is not None
    free = np.ones((HEIGHT, WIDTH), bool)
    free[front_layer.window] = front_layer.coverage == 0
    np.testing.assert_array_equal(both[0][free], alone[0][free])
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[front_layer.window] = front_layer.coverage >= 0.5
    assert hidden.any()
    assert not both[0][hidden].any()
    assert both[0].sum() < alone[0].sum()


def test_mask_is_that_of_mid_exposure() -> None:
    scene = scene_of(ring((50, 60), (150, 60)), exposure=1.0, samples=9)
    sharp = scene_of(ring((50, 60), (150, 60)))
    for actor in (scene.actors[0], sharp.actors[0]):
        actor.colours = (hsv(0, 0, 1), hsv(0, 0, 1))
    blurred = render_frame(scene, 5, np.random.default_rng(0))[..., 0].astype(float)
    still = render_frame(sharp, 5, np.random.default_rng(0))[..., 0].astype(float)
    np.testing.assert_array_equal(masks_at(scene, 5), masks_at(sharp, 5))
    # 10 px per frame: the smear is wider, and lies evenly about the mask.
    extent = [np.ptp(np.flatnonzero((image > 3).any(axis=0))) for image in (blurred, still)]
    assert 7 <= extent[0] - extent[1] <= 11
    np.testing.assert_allclose(centroid(blurred), centroid(masks_at(scene, 5)[0]), atol=0.1)


def test_paths_do_what_they_are_for() -> None:
    size = (WIDTH, HEIGHT)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        there = np.array([wander(rng, size, FRAMES, 20, (20, 60))(t) for t in range(FRAMES)])
        assert np.all(there > -20)
        assert np.all(there < np.array(size) + 20)
        away = np.array([leave(rng, size, FRAMES, 20)(t) for t in range(FRAMES)])
        outside = np.any((away < -20) | (away > np.array(size) + 20), axis=1)
        assert not outside[0]
        assert not outside[-1]
        assert outside.any()
        first, second = cross(rng, size, FRAMES, 20)
        times = np.linspace(0, FRAMES - 1, 101)
        gaps = [float(np.linalg.norm(first(t) - second(t))) for t in times]
        assert min(gaps) < 20
        assert gaps[0] > 20


def test_categories_are_balanced() -> None:
    for difficulty in LEVELS:
        options = DatasetOptions(width=64, height=64, difficulty=difficulty)
        counts: Counter[int] = Counter()
        for i in range(160):
            scene = draw_scene(np.random.default_rng([i, 5]), options, CATEGORIES[i % 8])
            labelled = [a.category.id for a in scene.actors if a.category]
            assert options.level.objects[0] <= len(labelled) <= options.level.objects[1]
            assert CATEGORIES[i % 8].id in labelled
            counts.update(labelled)
        share = np.array([counts[c.id] for c in CATEGORIES]) / sum(counts.values())
        assert share.min() > 0.6 / 8
        assert share.max() < 1.5 / 8


def test_levels_get_harder() -> None:
    easy, medium, hard = (LEVELS[name] for name in ("easy", "medium", "hard"))
    for name in ("leave", "pair", "exposure", "brightness", "noise", "clutter", "occluders", "deform"):
        assert getattr(easy, name) <= getattr(medium, name) <= getattr(hard, name)
        assert getattr(easy, name) < getattr(hard, name)
    assert hard.distractors > 0
