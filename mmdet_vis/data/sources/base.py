"""What every source of frames offers: random access to upright BGR frames, in bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"frames {start} to {stop} of {self.name!r}, which has {len(self)}")
