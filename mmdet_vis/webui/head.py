"""The first frames of a video as a video."""

from __future__ import annotations

import math

from mmdet_vis.data.sources import Frame, FrameSource


class HeadSource(FrameSource):
    """The first frames of another source; closing it closes that one.

    Args:
        source: the whole video.
        frames: how many of its frames are used, at least 1; all if it has fewer.
    """

    def __init__(self, source: FrameSource, frames: int) -> None:
        if frames < 1:
            raise ValueError(f"frames must be at least 1, got {frames}")
        self._source = source
        self.name, self.fps = source.name, source.fps
        self.height, self.width = source.height, source.width
        self.frame_names = source.frame_names[:frames]
        self.warnings = list(source.warnings)

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        return self._source.read(start, stop)

    def close(self) -> None:
        """Close the whole video."""
        self._source.close()


def frames_wanted(source: FrameSource, max_frames: int | None, max_seconds: float | None) -> int:
    """How many of the first frames lie within both bounds; at least 1.

    A source without a frame rate has no seconds: then only ``max_frames`` counts.
    """
    count = len(source)
    if max_frames is not None:
        count = min(count, max_frames)
    if max_seconds is not None and source.fps:
        count = min(count, math.ceil(max_seconds * source.fps - 1e-6))
    return max(count, 1)
