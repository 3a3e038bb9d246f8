"""Small videos for the tests of the page."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.tiny import moving_frames


def write_clip(path: Path, frames: int = 12, fps: int = 10, height: int = 64, width: int = 96) -> Path:
    """Write an H.264 mp4 of a moving square."""
    return encode(path, moving_frames(frames, height=height, width=width), fps)


def encode(path: Path, frames: list[np.ndarray], fps: int, stamps: list[int] | None = None) -> Path:
    """Write frames as H.264; ``stamps`` are their times in units of ``1 / fps``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts = stamps[index] if stamps else index
            picture.time_base = Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path
