"""From a scene to frames and exact masks.

Outlines are filled at four times the resolution, so that the coverage of a pixel is a multiple of 1/16.
Actors are laid over each other from the last (nearest) to the first; an actor's *visible* coverage is its
own times what the nearer ones leave. Its mask is where that exceeds one half, at mid-exposure: since the
visible coverages of a pixel sum to at most 1, masks of different objects never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.synthvis.scene import Actor, Scene
from mmdet_vis.data.synthvis.shapes import SHAPES, Part
from mmdet_vis.data.synthvis.textures import pattern

_SUPERSAMPLING = 4
# cv2 takes fixed-point coordinates: 4 fractional bits of a supersampled pixel.
_SHIFT = 4
# 240 = 15 * 16: the mean of 16 samples is exact in uint8, and one half is exactly 120.
_FULL = 240


@dataclass
class Layer:
    """An actor at one moment, within the part of the frame that it touches.

    Attributes:
        x, y: left and top pixel of that part.
        coverage: ``[h, w]`` float32 in [0, 1], multiples of 1/16.
        skin: coverage of its textured parts alone.
    """

    x: int
    y: int
    coverage: NDArray[np.float32]
    skin: NDArray[np.float32]

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of its part of the frame."""
        h, w = self.coverage.shape
        return slice(self.y, self.y + h), slice(self.x, self.x + w)


def _fill(parts: list[list[NDArray[np.float64]]], width: int, height: int) -> NDArray[np.float32]:
    """Coverage ``[height, width]`` of the union of ``parts`` (contours in pixels)."""
    k = _SUPERSAMPLING
    canvas = np.zeros((k * height, k * width), np.uint8)
    for contours in parts:
        # In cv2 a coordinate is that of a pixel's centre, hence the half.
        fixed = [np.round((c * k - 0.5) * (1 << _SHIFT)).astype(np.int32) for c in contours]
        cv2.fillPoly(canvas, fixed, _FULL, shift=_SHIFT)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / _FULL


def rasterise(actor: Actor, scene: Scene, t: float) -> Layer | None:
    """The actor's coverage at time ``t`` (in frames), or None where it is outside the frame."""
    matrix, centre = actor.frame_of_reference(t, scene.frames)
    parts = SHAPES[actor.shape].parts(actor.deform, actor.phase(t))
    placed = [Part([c @ matrix.T + centre for c in p.contours], p.textured) for p in parts]
    points = np.concatenate([c for p in placed for c in p.contours])
    # Two pixels more than the outline: room for its antialiased edge and the rim.
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, (scene.width, scene.height))
    if np.any(low >= high):
        return None
    width, height = (int(v) for v in high - low)
    skin = _fill([[c - low for c in p.contours] for p in placed if p.textured], width, height)
    if all(p.textured for p in placed):
        coverage = skin
    else:
        coverage = _fill([[c - low for c in p.contours] for p in placed], width, height)
    return Layer(int(low[0]), int(low[1]), coverage, skin)


def masks_at(scene: Scene, t: float) -> NDArray[np.uint8]:
    """Visible, disjoint masks of all actors at time ``t``: ``[actors, height, width]`` uint8, 0 or 1."""
    left = np.ones((scene.height, scene.width), np.float32)
    masks = np.zeros((len(scene.actors), scene.height, scene.width), np.uint8)
    for i in reversed(range(len(scene.actors))):
        layer = rasterise(scene.actors[i], scene, t)
        if layer is not None:
            masks[i][layer.window] = left[layer.window] * layer.coverage > 0.5
            left[layer.window] *= 1 - layer.coverage
    return masks


def _paint(actor: Actor, scene: Scene, layer: Layer, t: float) -> NDArray[np.float32]:
    """Colours ``[h, w, 3]`` of an actor within its part of the frame."""
    h, w = layer.coverage.shape
    matrix, centre = actor.frame_of_reference(t, scene.frames)
    # Single precision from here on: numpy's sines of it are several times as fast.
    inverse = np.linalg.inv(matrix).astype(np.float32)
    xs = (np.arange(w) + 0.5 + layer.x - centre[0]).astype(np.float32)
    ys = (np.arange(h) + 0.5 + layer.y - centre[1]).astype(np.float32)
    # Sums of a row and a column: the linear map of every pixel without a [h, w, 2] product.
    local = np.stack(
        [inverse[0, 0] * xs + (inverse[0, 1] * ys)[:, None], inverse[1, 0] * xs + (inverse[1, 1] * ys)[:, None]],
        axis=-1,
    )
    rest = SHAPES[actor.shape].undeform(local, actor.deform, actor.phase(t))
    pixel = 1 / float(np.sqrt(abs(np.linalg.det(matrix))))
    # Scenery of any size keeps patterns of the same size in pixels.
    zoom = actor.radius / 40 if actor.shape in ("reed", "rock") else 1.0
    angle, *offset = actor.skin
    mix = pattern(actor.texture, rest[..., 0] * zoom, rest[..., 1] * zoom, angle, (offset[0], offset[1]), pixel * zoom)
    first, second = actor.colours
    colour = np.asarray(first + mix[..., None] * (second - first), np.float32)
    if layer.skin is not layer.coverage:
        plain = 0.55 * first + 0.45 * second
        share = (layer.skin / np.maximum(layer.coverage, 1e-6))[..., None]
        colour = np.asarray(plain + share * (colour - plain), np.float32)
    colour *= _shade(layer, scene.level.rim, radius=1 / pixel)[..., None]
    return colour


def _shade(layer: Layer, rim: float, radius: float) -> NDArray[np.float32]:
    """Brightness factors ``[h, w]``: dark towards the outline and between the parts."""
    sigma = max(0.05 * min(radius, 60.0), 0.8)
    inner = cv2.GaussianBlur(layer.coverage, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    seam = np.zeros_like(inner)
    if layer.skin is not layer.coverage:
        blurred = cv2.GaussianBlur(layer.skin, (0, 0), 0.7 * sigma, borderType=cv2.BORDER_REPLICATE)
        seam = 4 * blurred * (1 - blurred)
    edge = np.clip((inner - 0.5) / 0.4, 0, 1)
    return ((1 - rim * (1 - edge)) * (1 - 0.6 * rim * seam)).astype(np.float32)


def _render_instant(scene: Scene, t: float) -> NDArray[np.float32]:
    """The scene at one moment, evenly lit: ``[height, width, 3]`` float32 BGR."""
    image = scene.background.view(t, scene.width, scene.height)
    for actor in scene.actors:
        layer = rasterise(actor, scene, t)
        if layer is None:
            continue
        target = image[layer.window]
        target += layer.coverage[..., None] * (_paint(actor, scene, layer, t) - target)
    return image


def render_frame(scene: Scene, index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Frame ``index`` with motion blur, brightness and sensor noise: ``[height, width, 3]`` uint8 BGR.

    The shutter is open for ``level.exposure`` frames around ``index``, the time of the masks.
    """
    n = scene.level.blur_samples
    offsets = (np.arange(n) - (n - 1) / 2) / n * scene.level.exposure
    image = np.mean([_render_instant(scene, index + float(o)) for o in offsets], axis=0, dtype=np.float32)
    image *= np.float32(scene.gains[index])
    if scene.level.noise > 0:
        image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(scene.level.noise)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
