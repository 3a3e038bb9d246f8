"""Results of a stream as they come: what has been written stays readable if the program is killed the next moment."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import OutputError
from mmdet_vis.streaming.frames import FrameResult
from mmdet_vis.visualization.video_writer import DEFAULT_FPS, TICKS, add_video_stream, encodable, find_encoder

_KEY_FRAME_EVERY = 50


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn errors of the operating system and of FFmpeg into one line about ``path``."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; what came before is kept") from error


class JsonLinesWriter:
    """One line of JSON for each frame, on its way to the disk as soon as it is written.

    A line is ``{"frame": 12, "time": 0.48, "objects": [{"id": 1, "category_id": 2, "category": "dog", "score": 0.93,
    "segmentation": {"size": [H, W], "counts": "…"}}, …]}``: the frame's number (dropped frames count), its seconds
    since the first frame (null without a clock), and the visible objects; ``category_id`` is 1-based.

    Args:
        path: file to write; an older one is replaced.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _named(path):
            # Without a buffer each line is one write: a reader sees whole lines.
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115  (closed by __exit__)

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, result: FrameResult) -> None:
        """Append the line of a frame."""
        objects = [
            {
                "id": found.track_id,
                "category_id": found.label + 1,
                "category": found.category,
                "score": round(found.score, 6),
                "segmentation": found.mask,
            }
            for found in result.objects
        ]
        time = None if result.time is None else round(result.time, 6)
        line = json.dumps({"frame": result.index, "time": time, "objects": objects}, separators=(",", ":"))
        with _named(self._path):
            self._append(line.encode() + b"\n")

    def _append(self, line: bytes) -> None:
        """Write a line, or nothing of it: a disk that fills up takes what fits and says so with the next write."""
        length = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(length)
                self._file.seek(length)
            raise


class FragmentedVideoWriter:
    """An mp4 that grows frame by frame and can be played at any time: each frame is a fragment of its own.

    Frames are shown at their times, so that dropped frames do not make the video faster. An odd width or height is
    made even by repeating the last column or row.

    Args:
        path: file to write; an older one is replaced.
        fps: frames per second of the source; None means 6. Used for frames without a time, and to plan the encoding.
        size: (height, width) of the frames.
        pixel_aspect: width of a pixel over its height.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(
        self, path: Path, fps: float | None, size: tuple[int, int], pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        rate = fps if fps and math.isfinite(fps) else DEFAULT_FPS
        self._path = path
        self._step = max(round(TICKS / rate), 1)
        self._next = 0
        encoder, options = find_encoder()
        if encoder == "libx264":
            options = {**options, "tune": "zerolatency"}  # The encoder holds no frame back.
        with _named(path):
            path.write_bytes(b"")  # FFmpeg opens it with the first frame only; a bad path should show now.
            # An empty index at the front, then fragments; flush_packets hands each to the operating system.
            options_of_file = {"movflags": "+frag_every_frame+empty_moov+default_base_moof", "flush_packets": "1"}
            self._container: Any = av.open(str(path), "w", format="mp4", options=options_of_file)
            chosen = encoder, {**options, "g": str(_KEY_FRAME_EVERY)}
            exact = Fraction(rate).limit_denominator(1001)
            self._stream = add_video_stream(self._container, chosen, exact, size, pixel_aspect, TICKS)

    def __enter__(self) -> FragmentedVideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            with _named(self._path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
        except OutputError:
            if kind is None:  # Otherwise what went wrong first is what the user should read.
                raise

    def write(self, image: NDArray[np.uint8], time: float | None) -> None:
        """Append a frame, ``[H, W, 3]`` uint8, BGR, shown ``time`` seconds after the first one."""
        picture = encodable(image)
        picture.time_base = Fraction(1, TICKS)
        earliest = max(self._next - self._step + 1, 0)  # after the frame before
        picture.pts = self._next if time is None else max(round(time * TICKS), earliest)
        self._next = picture.pts + self._step
        with _named(self._path):
            for packet in self._stream.encode(picture):
                packet.duration = packet.duration or self._step
                self._container.mux(packet)
