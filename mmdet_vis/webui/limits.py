"""What a video may be for the page to take it, measured before any frame is decoded."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.data.sources import FrameSource, display_name
from mmdet_vis.data.sources.video_decode import DECODE_ERRORS, open_container
from mmdet_vis.errors import SourceError

MAX_FRAME_RATE = 60
"""Frames per allowed second: a minute of 1000 frames per second is not a minute's work."""


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        max_megabytes: largest file, in units of 2^20 bytes.
        max_seconds: longest video.
    """

    max_megabytes: int = 200
    max_seconds: float = 60.0

    @property
    def max_bytes(self) -> int:
        """Largest file."""
        return self.max_megabytes * 2**20

    @property
    def max_frames(self) -> int:
        """Most frames of a video."""
        return math.ceil(self.max_seconds * MAX_FRAME_RATE)


def check_video(path: Path, limits: Limits) -> None:
    """Refuse a file that is missing, too large or too long.

    The length is that of the packets in the file, not what its header announces, and reading stops at the limit: a
    small file can hold hours of a still picture.

    Raises:
        SourceError: one line that names the file, the limit and what to do.
    """
    name = display_name(path.name)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{name} is no longer on the server: drop it again") from error
    if size > limits.max_bytes:
        raise SourceError(
            f"{name} has {size / 2**20:.1f} MB, this server takes {limits.max_megabytes}: compress or cut it"
        )
    _check_length(path, name, limits)


def _check_length(path: Path, name: str, limits: Limits) -> None:
    container, stream = open_container(path, "AUTO")
    try:
        first, frames, seconds = None, 0, 0.0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            frames += 1
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and stream.time_base:
                first = stamp if first is None else min(first, stamp)
                end = stamp + (packet.duration or 0)
                seconds = max(seconds, float((end - first) * stream.time_base))
            # A frame more: containers round durations.
            if seconds > limits.max_seconds + max(seconds / frames, 0.05):
                raise SourceError(f"{name} is longer than {limits.max_seconds:g} s, which this server takes: cut it")
            if frames > limits.max_frames:
                raise SourceError(
                    f"{name} has more than {limits.max_frames} frames, which this server takes: cut it or lower "
                    "its frame rate"
                )
    except DECODE_ERRORS:
        # Damage: the frames before it may be good, which is found out when they are decoded.
        return
    finally:
        container.close()


def check_length(source: FrameSource, name: str, limits: Limits) -> None:
    """Refuse a source with too many frames: images, animations and what a zip holds.

    Raises:
        SourceError: one line that names it, the limit and what to do.
    """
    if len(source) > limits.max_frames:
        raise SourceError(f"{name} has {len(source)} frames, this server takes {limits.max_frames}: use fewer")
    seconds = source.times[-1] if source.times else (len(source) - 1) / source.fps if source.fps else 0
    if seconds > limits.max_seconds:
        raise SourceError(f"{name} is longer than {limits.max_seconds:g} s, which this server takes: cut it")


def frames_wanted(source: FrameSource, max_frames: int | None, max_seconds: float | None) -> int:
    """How many of the first frames lie within both bounds; at least 1.

    A source without a frame rate has no seconds: then only ``max_frames`` counts.
    """
    count = len(source)
    if max_frames is not None:
        count = min(count, max_frames)
    if max_seconds is not None and source.times:
        count = min(count, bisect_left(source.times, max_seconds - 1e-6))
    elif max_seconds is not None and source.fps:
        count = min(count, math.ceil(max_seconds * source.fps - 1e-6))
    return max(count, 1)
