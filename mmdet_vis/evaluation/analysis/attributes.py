"""Properties of objects against which AP is measured: length, size and occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.ytvis import MaskSequence
from mmdet_vis.structures.masks import rle_boxes


@dataclass(frozen=True)
class Bins:
    """Ranges of a property: bin i holds ``edges[i] <= value < edges[i + 1]``, the last one all above."""

    title: str
    edges: tuple[float, ...]
    names: tuple[str, ...]

    def place(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each value, ``[N]``; -1 below the first edge."""
        return np.searchsorted(self.edges, values, side="right").astype(np.int64) - 1


LENGTH = Bins("visible frames", (1, 9, 17, 25, 37), ("1-8", "9-16", "17-24", "25-36", "37+"))
SIZE = Bins(
    "size (square root of the average mask area, pixels)",
    (0, 32**2, 64**2, 128**2, 256**2),
    ("<32", "32-64", "64-128", "128-256", ">=256"),
)
_SOME = float(np.nextafter(0.0, 1.0))
OCCLUSION = Bins(
    "occlusion (share of frames)", (0.0, _SOME, 0.25, 0.5, 0.75), ("none", "<25%", "25-50%", "50-75%", ">=75%")
)


PROPERTIES = {"length": LENGTH, "size": SIZE, "occlusion": OCCLUSION}


def occlusions(objects: Sequence[MaskSequence]) -> NDArray[np.float64]:
    """Occlusion of each object of a video, ``[G]`` in [0, 1]; NaN for one that is never visible.

    It is the share of the frames from the first to the last in which the object is visible, in which it is absent or
    its box overlaps or touches the box of another object.
    """
    boxes = [_boxes(masks) for masks in objects]
    shares = np.full(len(objects), np.nan)
    for g, masks in enumerate(objects):
        frames = np.flatnonzero(masks.areas)
        if not len(frames):
            continue
        touched = np.zeros(len(masks.areas), bool)
        for other, theirs in enumerate(boxes):
            if other != g:
                touched |= _touch(boxes[g], theirs)
        life = slice(int(frames[0]), int(frames[-1]) + 1)
        shares[g] = (touched | (masks.areas == 0))[life].mean()
    return shares


def _boxes(masks: MaskSequence) -> NDArray[np.float64]:
    """Boxes x0, y0, x1, y1 (end exclusive) in each frame, ``[T, 4]``; NaN where the object is not visible."""
    boxes = np.full((len(masks.rles), 4), np.nan)
    frames = np.flatnonzero(masks.areas)
    boxes[frames] = rle_boxes([rle for rle, area in zip(masks.rles, masks.areas, strict=True) if rle and area])
    return boxes


def _touch(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether boxes ``[T, 4]`` overlap or touch, ``[T]``; never where one is NaN."""
    near = (a[:, :2] <= b[:, 2:]) & (b[:, :2] <= a[:, 2:])
    return np.logical_and(near[:, 0], near[:, 1])
