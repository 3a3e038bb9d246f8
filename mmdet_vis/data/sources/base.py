"""What every source of frames offers: random access to upright BGR frames, in bounded memory.

And the sources that need no file: frames of an array, and a range of those of another source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError

# One decoded frame, [H, W, 3] uint8, BGR.
Frame = NDArray[np.uint8]

_Source = TypeVar("_Source", bound="FrameSource")


class FrameSource(ABC):
    """A video as a sequence of frames that are decoded when they are asked for.

    A source may be read from several threads; it never holds all its frames. Use it as a context manager, or
    call :meth:`close`.

    Attributes:
        name: what results of this video are called; usable as a file name.
        height: height of a frame in pixels, as it is displayed (after rotation).
        width: width of a frame in pixels, as it is displayed.
        fps: average frame rate in frames per second; None where the source has none.
        times: seconds of each frame since the first one, strictly increasing; None where the frames follow each other
            at ``fps``, or the source knows of no time.
        last: seconds that the last frame is shown, where there are ``times``; None for as long as an average one.
        pixel_aspect: width of a pixel over its height, as it is displayed. Frames have the stored pixels.
        frame_names: one name per frame, unique, usable as a file name.
        warnings: lines for the user about what was ignored, lost, converted or guessed.
    """

    name: str
    height: int
    width: int
    fps: float | None
    times: list[float] | None = None
    last: float | None = None
    pixel_aspect: Fraction = Fraction(1)
    frame_names: list[str]
    warnings: list[str]

    def __len__(self) -> int:
        return len(self.frame_names)

    @abstractmethod
    def read(self, start: int, stop: int) -> list[Frame]:
        """Return frames ``start`` to ``stop - 1``, each [H, W, 3] uint8 BGR, new arrays that the caller owns.

        Calls may come in any order; consecutive chunks are cheap forwards and backwards.

        Raises:
            IndexError: a range outside 0 <= start <= stop <= len(self).
            SourceError: a frame that cannot be decoded.
        """

    def close(self) -> None:  # noqa: B027  (a source without open files has nothing to close)
        """Release open files. Reading afterwards is an error for sources that hold any."""

    def __enter__(self: _Source) -> _Source:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"frames {start} to {stop} of {self.name!r}, which has {len(self)}")


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


class PartSource(FrameSource):
    """Frames ``start`` to ``stop - 1`` of a source, as a source of their own.

    Args:
        source: all frames.
        start: the first frame, 0-based.
        stop: the one after the last; None, or more than there are: to the end.
        name: what results are called.
        closes: closing it closes the other one, too.

    Raises:
        SourceError: the source has no frame in that range.
    """

    def __init__(
        self,
        source: FrameSource,
        start: int = 0,
        stop: int | None = None,
        name: str | None = None,
        closes: bool = False,
    ) -> None:
        self._source, self._start, self._closes = source, start, closes
        end = len(source) if stop is None else min(stop, len(source))
        if not 0 <= start < end:
            wanted = f"{start} to {'the end' if stop is None else stop - 1}"
            raise SourceError(f"{source.name}: there is no frame {wanted}: the video has {len(source)}")
        self.name = name or source.name
        self.height, self.width, self.fps = source.height, source.width, source.fps
        self.pixel_aspect = source.pixel_aspect
        self.frame_names = source.frame_names[start:end]
        if source.times is not None:
            self.times = [time - source.times[start] for time in source.times[start:end]]
            self.last = source.last if end == len(source) else source.times[end] - source.times[end - 1]
        self.warnings = list(source.warnings)

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        return self._source.read(start + self._start, stop + self._start)

    def close(self) -> None:
        """See :meth:`FrameSource.close`."""
        if self._closes:
            self._source.close()
