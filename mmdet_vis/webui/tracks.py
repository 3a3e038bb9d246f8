"""The table of a result: one row per object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures import VideoResult, areas

HEADERS = ("track", "category", "score", "first frame", "last frame", "frames visible", "mean area (px)")


@dataclass(frozen=True)
class Track:
    """When and how large an object is seen.

    Attributes:
        track_id: 1-based.
        category: name of the best category.
        score: in [0, 1].
        areas: ``[T]`` int64, pixels of the mask per frame, 0 where the object is not visible.
    """

    track_id: int
    category: str
    score: float
    areas: NDArray[np.int64]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """``[T]`` bool: whether the object is visible."""
        return self.areas > 0

    def row(self) -> list[int | float | str | None]:
        """Values in the order of :data:`HEADERS`; frames count from 0, and are None if the object is never visible."""
        seen = np.flatnonzero(self.visible)
        first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (None, None)
        mean = round(float(self.areas[seen].mean())) if len(seen) else 0
        return [self.track_id, self.category, round(self.score, 3), first, last, len(seen), mean]


def tracks_of(result: VideoResult) -> list[Track]:
    """One :class:`Track` per sequence, in their order."""
    return [Track(s.track_id, result.category_of(s), s.score, areas(s.masks)) for s in result.sequences]
