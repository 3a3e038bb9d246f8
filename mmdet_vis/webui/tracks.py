"""When and how large the objects of a result are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures import VideoResult, areas


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

    def runs(self) -> list[tuple[int, int]]:
        """Stretches of frames in which it is visible without a gap: (first, last), both included."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], self.visible.astype(np.int8), [0]])))
        return [(int(start), int(stop) - 1) for start, stop in edges.reshape(-1, 2)]

    def mean_area(self) -> int:
        """Pixels, over the frames in which it is visible; 0 if it never is."""
        return round(float(self.areas[self.visible].mean())) if self.visible.any() else 0


def tracks_of(result: VideoResult) -> list[Track]:
    """One :class:`Track` per sequence, in their order."""
    return [Track(s.track_id, result.category_of(s), s.score, areas(s.masks)) for s in result.sequences]
