"""H.264 mp4 files that browsers play."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import temporary_path

DEFAULT_FPS = 6.0
"""Frames per second for sources without a rate: YouTube-VIS holds every fifth frame of 30 fps video."""

# In order of preference, with their options. All but the last make H.264; crf 20 is visually near lossless. The same
# frames give the same bytes with one thread, and with x264's plain arithmetic for how much later frames depend on a
# block (its vectorised one differs from run to run).
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "20", "preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}),
    ("libopenh264", {"b": "6M"}),
    ("mpeg4", {"qscale": "3"}),
)
TICKS = 60_000
"""Units of a second, for frames at times of their own: all usual rates divide it, and MPEG-4 takes at most 65,535."""

_BT709 = 1  # FFmpeg's number for the BT.709 primaries, transfer curve and matrix.
_LIMITED_RANGE = 1


def find_encoder() -> tuple[str, dict[str, str]]:
    """The best encoder that this build of FFmpeg has.

    Raises:
        OutputError: if it has none.
    """
    for name, options in _ENCODERS:
        try:
            av.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        if name == "mpeg4":
            warnings.warn(
                "PyAV has no H.264 encoder; the mp4 is MPEG-4 Part 2, which browsers do not play", stacklevel=4
            )
        return name, options
    raise OutputError("cannot write mp4: PyAV has no H.264 or MPEG-4 encoder; reinstall it with `pip install -U av`")


def add_video_stream(
    container: Any,
    encoder: tuple[str, dict[str, str]],
    rate: Fraction,
    size: tuple[int, int],
    pixel_aspect: Fraction = Fraction(1),
    ticks: int | None = None,
) -> Any:
    """Add a stream of yuv420p, BT.709, to a container that is open for writing.

    Args:
        encoder: from :func:`find_encoder`, with its options.
        rate: frames per second.
        size: (height, width); odd ones are made even.
        pixel_aspect: width of a pixel over its height.
        ticks: units of a second that time stamps have; None if they count frames.
    """
    name, options = encoder
    stream = container.add_stream(name, rate=rate, options=options)
    height, width = size
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    if ticks is not None:
        context.time_base = Fraction(1, ticks)
    if pixel_aspect != 1:
        # For players that read the container, and for those that read the stream.
        context.sample_aspect_ratio = stream.sample_aspect_ratio = pixel_aspect
    return stream


def encodable(frame: NDArray[np.uint8]) -> av.VideoFrame:
    """A BGR frame ``[H, W, 3]`` uint8 as the streams of :func:`add_video_stream` take it, without a time.

    An odd width or height is made even by repeating the last column or row.
    """
    height, width = frame.shape[:2]
    even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return av.VideoFrame.from_ndarray(even, format="bgr24").reformat(format="yuv420p", dst_colorspace="ITU709")


class VideoWriter:
    """Write frames to an mp4; the file appears, complete, when the ``with`` block ends without an error.

    yuv420p, BT.709, index at the front ("faststart"), so that browsers play it while it loads. An odd width
    or height is made even by repeating the last column or row.

    Args:
        path: file to write; its folder must exist.
        fps: frames per second; None means :data:`DEFAULT_FPS`.
        size: (height, width) of the frames.
        times: seconds of each frame since the first one, increasing, where they do not follow each other at ``fps``.
        pixel_aspect: width of a pixel over its height, for players to stretch the frames.
        last: seconds that the last frame is shown, where there are ``times``; None: an average frame's.

    Raises:
        OutputError: if the file cannot be written or PyAV has no encoder for it.
        ValueError: for a rate that is not a positive number, a frame of another size, or more frames than times.

    Example::

        with VideoWriter("out.mp4", 25, (360, 480)) as video:
            for frame in frames:  # [360, 480, 3] uint8, BGR
                video.write(frame)
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | None,
        size: tuple[int, int],
        times: Sequence[float] | None = None,
        pixel_aspect: Fraction = Fraction(1),
        last: float | None = None,
    ) -> None:
        rate = DEFAULT_FPS if fps is None else float(fps)
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"frames per second must be positive, got {fps}")
        self.path = Path(path)
        # 1001 keeps the broadcast rates (30000/1001, 24000/1001) exact, and bounds how slow a video can be.
        self.fps = max(Fraction(rate).limit_denominator(1001), Fraction(1, 1001))
        self.size = size
        self._pixel_aspect = pixel_aspect
        self._times = times
        self._last = max(round(TICKS * last), 1) if last else round(TICKS / self.fps)
        self._stamps: list[int] = []
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        encoder = find_encoder()
        self._encoder = encoder[0]
        with ExitStack() as stack:
            temporary = stack.enter_context(temporary_path(self.path))
            temporary.touch()  # FFmpeg opens it with the first frame only; a bad path should show now.
            self._container = stack.enter_context(
                av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
            )
            ticks = None if self._times is None else TICKS
            if ticks and encoder[0] == "libx264":
                # mp4 keeps how long frames last in the order of decoding, which must be that of showing.
                encoder = (encoder[0], {**encoder[1], "bf": "0"})
            self._stream = add_video_stream(self._container, encoder, self.fps, self.size, self._pixel_aspect, ticks)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, ``[H, W, 3]`` uint8, BGR, of the size given at the start."""
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"frame {self._count + 1} of {self.path} is {frame.dtype} {tuple(frame.shape)}, "
                f"not uint8 {(*self.size, 3)}"
            )
        picture = encodable(frame)
        if self._times is None:
            picture.pts, picture.time_base = self._count, 1 / self.fps
        else:
            picture.pts, picture.time_base = self._next_stamp(self._times), Fraction(1, TICKS)
        self._encode(picture)
        self._count += 1

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool | None:
        # The stack closes the container, then renames the file, or removes it if anything failed.
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)  # type: ignore[arg-type]
        with self._stack:
            if self._count == 0:
                raise ValueError(f"no frames were written to {self.path}")
            self._encode(None)
        return None

    def _next_stamp(self, times: Sequence[float]) -> int:
        """Time of the next frame in ticks, after that of the frame before."""
        if self._count >= len(times):
            raise ValueError(f"frame {self._count + 1} of {self.path} has no time: there are {len(times)}")
        stamp = max(round((times[self._count] - times[0]) * TICKS), self._stamps[-1] + 1 if self._stamps else 0)
        self._stamps.append(stamp)
        return stamp

    def _encode(self, picture: av.VideoFrame | None) -> None:
        """Encode a picture (None: those the encoder still holds) and store the packets."""
        try:
            for packet in self._stream.encode(picture):
                if self._times is not None and packet.pts == self._stamps[-1]:
                    packet.duration = self._last
                self._container.mux(packet)
        except OSError:
            raise  # Told apart (disk full, …) where the file is renamed.
        except av.error.FFmpegError as error:
            shape = f"{self.size[1]}x{self.size[0]} at {float(self.fps):g} frames per second"
            raise OutputError(
                f"cannot write {self.path}: {self._encoder} refuses {shape} ({error}); write images instead"
            ) from error
