"""Objects of other samples, pasted onto a clip on paths of their own: occlusion that changes from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.raw import RawClip, RawFrame, drop_remains, has_common_object, tight_boxes
from mmdet_vis.data.clips.view_warp import affine, pixel_grid, smooth_field

# Share of its frame that an object to paste takes at least, and share of its pixels that hang together.
LEAST_SHARE = 0.003
_LARGEST_PART = 0.95
# Longest side of a pasted object, as a part of the frame's longer side.
_LONGEST = 0.8
# Draws of an object before none is pasted.
_DRAWS = 4


@dataclass(frozen=True)
class PasteOptions:
    """How many objects are pasted, and how they move.

    Attributes:
        prob: how often a clip gets pasted objects at all, 0 to 1.
        max_objects: at most so many of them.
        size: least and most size on the clip: root of the mask's area, as a part of the root of the frame's.
        move: length of the path from the first to the last frame, at most, as a part of each side of the frame.
        over: how often the path begins or ends on an object of the clip.
        behind: how often an object passes behind those of the clip.
        rotate: turn against the other sample, and on the path, in degrees.
        scale: change of size on the path: by up to this part.
        elastic: deviation of a smooth random field, on the path, as a part of the object's longer side.
    """

    prob: float = 0.6
    max_objects: int = 2
    size: tuple[float, float] = (0.12, 0.4)
    move: float = 0.4
    over: float = 0.6
    behind: float = 0.2
    rotate: float = 15.0
    scale: float = 0.2
    elastic: float = 0.04

    def __post_init__(self) -> None:
        rates = (self.prob, self.over, self.behind, self.scale)
        if not all(0 <= rate <= 1 for rate in rates) or self.scale == 1 or self.max_objects < 0:
            raise ValueError("copy_paste: prob, over, behind and scale must be from 0 to 1, max_objects 0 or more")
        if not 0 < self.size[0] <= self.size[1] or min(self.move, self.rotate, self.elastic) < 0:
            raise ValueError("copy_paste: size must be (least, most) above 0; move, rotate and elastic 0 or more")


@dataclass(frozen=True)
class Cutout:
    """An object to paste: ``image`` ``[h, w, 3]`` uint8 BGR, ``mask`` ``[h, w]`` uint8 0 or 1, 1-based ``label``."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    label: int

    @classmethod
    def of(cls, image: NDArray[np.uint8], mask: NDArray[np.uint8], label: int, margin: int = 2) -> Cutout:
        """Cut an object out of an image, with some pixels around it; its mask is not empty."""
        x, y, w, h = cv2.boundingRect(mask)
        region = (slice(max(y - margin, 0), y + h + margin), slice(max(x - margin, 0), x + w + margin))
        return cls(image[region], mask[region], label)


def is_whole(mask: NDArray[np.uint8]) -> bool:
    """Whether an object with this mask can be recognised when it is pasted.

    Not if too little of it is there, the border cuts it off, or something in front of it leaves only scraps.
    """
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask)
    if min(x, y) < 1 or x + w >= width or y + h >= height:
        return False
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask[y : y + h, x : x + w])
    parts = stats[1:, cv2.CC_STAT_AREA]
    return bool(parts.sum() >= LEAST_SHARE * height * width and parts.max() >= _LARGEST_PART * parts.sum())


def paste_some(
    clip: RawClip,
    source: Callable[[np.random.Generator], Cutout | None],
    options: PasteOptions,
    min_pixels: int,
    rng: np.random.Generator,
) -> RawClip:
    """A clip with up to ``options.max_objects`` objects pasted onto it, or none; the clip given stays as it is.

    Both have at least one object that the first and the last frame show.

    Args:
        source: gives a random object, or None where the one it drew will not do.
        min_pixels: see :func:`~mmdet_vis.data.clips.raw.drop_remains`.
    """
    if rng.random() >= options.prob or not options.max_objects:
        return clip
    pasted = RawClip([RawFrame(**vars(frame)) for frame in clip.frames], clip.exhaustive, clip.name)
    for _ in range(int(rng.integers(1, options.max_objects + 1))):
        cutout = next(filter(None, (source(rng) for _ in range(_DRAWS))), None)
        if cutout is not None:
            paste(pasted, cutout, options, rng)
    drop_remains(pasted, min_pixels)
    return pasted if has_common_object(pasted) else clip


def paste(clip: RawClip, cutout: Cutout, options: PasteOptions, rng: np.random.Generator) -> None:
    """Paste an object into all frames of a clip, in place (arrays are replaced, not written into).

    It gets an id of its own. Where it lies over other objects, their masks lose its pixels, and their boxes follow.
    """
    height, width = clip.frames[0].size
    target = rng.uniform(*options.size) * np.sqrt(height * width)
    longest = _LONGEST * max(height, width) / max(cutout.mask.shape)
    cutout = _scaled(cutout, min(target / np.sqrt(int(cutout.mask.sum())), longest))
    extent = np.array([width, height], np.float64)
    ends = _path(clip, extent, options, rng)
    turn, turning = np.deg2rad(rng.uniform(-options.rotate, options.rotate, 2))
    growth = np.log1p(rng.uniform(-options.scale, options.scale))
    mirrored, behind = rng.random() < 0.5, rng.random() < options.behind
    if mirrored:
        cutout = Cutout(cutout.image[:, ::-1], cutout.mask[:, ::-1], cutout.label)
    side = int(np.ceil(np.hypot(*cutout.mask.shape) * (1 + options.scale))) + 4
    field = smooth_field((side, side), options.elastic * max(cutout.mask.shape), 4, rng)
    number = 1 + max((int(frame.ids.max(initial=0)) for frame in clip.frames), default=0)
    for frame, part in zip(clip.frames, np.linspace(-0.5, 0.5, len(clip.frames)), strict=True):
        matrix = affine(turn + part * turning, np.exp(part * growth), 0.0)
        grid = pixel_grid((side, side), matrix, np.array(cutout.mask.shape[::-1]) / 2)
        if field is not None:
            grid += np.float32(part) * field
        place = ends[0] + (part + 0.5) * (ends[1] - ends[0])
        _compose(frame, cutout, grid, place, behind, number)


def _scaled(cutout: Cutout, factor: float) -> Cutout:
    """The object at another size; shrunk by averaging, so that it does not shimmer."""
    height, width = (max(1, round(side * factor)) for side in cutout.mask.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(cutout.image, (width, height), interpolation=how), np.uint8)
    mask = np.asarray(cv2.resize(cutout.mask * np.uint8(255), (width, height), interpolation=how), np.uint8)
    return Cutout(image, (mask >= 128).astype(np.uint8), cutout.label)


def _path(
    clip: RawClip, extent: NDArray[np.float64], options: PasteOptions, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where (x, y) the object's middle is in the first and in the last frame."""
    low, high = 0.05 * extent, 0.95 * extent
    start = rng.uniform(low, high)
    step = extent * rng.uniform(-options.move, options.move, 2)
    at_start, over = rng.random() < 0.5, rng.random() < options.over
    frame = clip.frames[0] if at_start else clip.frames[-1]
    seen = np.flatnonzero(frame.visible())
    if over and len(seen):
        x1, y1, x2, y2 = frame.boxes[seen[rng.integers(len(seen))]].astype(np.float64)
        # Beside its middle rather than on it, so that it is seldom covered wholly.
        start = np.array([x1 + x2, y1 + y2]) / 2 + np.array([x2 - x1, y2 - y1]) * rng.uniform(-0.6, 0.6, 2)
    start = start.clip(low, high)
    stop = (start + step).clip(low, high)
    return (start, stop) if at_start else (stop, start)


def _compose(
    frame: RawFrame, cutout: Cutout, grid: NDArray[np.float32], place: NDArray[np.float64], behind: bool, number: int
) -> None:
    """Paste the object into one frame, its warped square around ``place``."""
    height, width = frame.size
    side = len(grid)
    left, top = (int(v) for v in np.rint(place - side / 2))
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    mask = np.zeros((1, height, width), np.uint8)
    if x1 < x2 and y1 < y2:
        part = grid[y1 - top : y2 - top, x1 - left : x2 - left]
        frame.image, frame.masks, boxes = frame.image.copy(), frame.masks.copy(), frame.boxes.copy()
        region = frame.masks[:, y1:y2, x1:x2]
        front = region.max(axis=0, initial=0) if behind else np.zeros(part.shape[:2], np.uint8)
        soft = cv2.remap(cutout.mask.astype(np.float32), part, None, cv2.INTER_LINEAR, borderValue=0.0)
        hard = (soft >= 0.5).astype(np.uint8) * (1 - front)
        # A rim of two pixels in which both mix looks like one of a lens; it must not spill over what is in front.
        opacity = (cv2.GaussianBlur(soft, (3, 3), 0) * (1 - front))[..., None]
        pixels = cv2.remap(cutout.image, part, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        below = frame.image[y1:y2, x1:x2]
        below[:] = np.rint(below * (1 - opacity) + pixels * opacity).astype(np.uint8)
        covered = (region & hard).any(axis=(1, 2))
        region *= 1 - hard
        boxes[covered] = tight_boxes(frame.masks[covered])
        frame.boxes = boxes
        mask[0, y1:y2, x1:x2] = hard
    frame.boxes = np.concatenate([frame.boxes, tight_boxes(mask)])
    frame.masks = np.concatenate([frame.masks, mask])
    frame.labels = np.append(frame.labels, np.int64(cutout.label))
    frame.ids = np.append(frame.ids, np.int64(number))
