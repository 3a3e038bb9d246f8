"""Frames that are already in memory, for use from Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .base import Frame, FrameSource


class ArraySource(FrameSource):
    """Frames of an array or a list as a video.

    Args:
        frames: ``[T, H, W, 3]`` uint8, BGR, or a sequence of T arrays ``[H, W, 3]``; T may not be 0.
        name: name of the video.
        fps: frames per second, where it is known.

    Raises:
        ValueError: no frames, frames of different sizes, or of another type.
    """

    def __init__(self, frames: Frame | Sequence[Frame], name: str = "array", fps: float | None = None) -> None:
        if not len(frames):
            raise ValueError("an ArraySource needs at least one frame")
        shape = frames[0].shape
        for index, frame in enumerate(frames):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
                raise ValueError(f"frame {index} must be [H, W, 3] uint8, got {list(frame.shape)} {frame.dtype}")
            if frame.shape != shape:
                raise ValueError(f"frame {index} is {list(frame.shape)} but frame 0 is {list(shape)}")
        self.name = name
        self.fps = fps
        self.height, self.width = int(shape[0]), int(shape[1])
        self.frame_names = [f"{index:05d}" for index in range(len(frames))]
        self.warnings = []
        self._frames = frames

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        return [np.array(frame) for frame in self._frames[start:stop]]
