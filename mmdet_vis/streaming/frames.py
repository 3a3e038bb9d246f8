"""What goes into a stream and what comes out: frames, and the objects that were found on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures import RLE
from mmdet_vis.structures.sequence import SHOW_SCORE_THR


class Stream(ABC):
    """Frames in order, once.

    Attributes:
        fps: frames per second, where they are known.
        live: frames come when they come: those that nobody takes in time are lost, not delayed.
        pixel_aspect: width of a pixel over its height, as it is displayed; known with the first frame.
        notes: lines for the user about what is converted; they come with the first frame that needs it.
    """

    fps: float | None = None
    live: bool = False
    pixel_aspect: Fraction = Fraction(1)

    @cached_property
    def notes(self) -> list[str]:
        """See the attributes."""
        return []

    @abstractmethod
    def frames(self) -> Iterator[StreamFrame]:
        """The frames, all of one size; each image is new.

        Raises:
            SourceError: they broke off.
        """

    def close(self) -> None:  # noqa: B027  (a stream without open files has nothing to close)
        """Release the source, from the thread that reads it."""


@dataclass
class StreamFrame:
    """One frame of a stream.

    Attributes:
        index: 0-based number of the frame in its source; dropped frames are counted too.
        time: seconds since the first frame; None if the source has no clock.
        image: ``[H, W, 3]`` uint8, BGR.
    """

    index: int
    time: float | None
    image: NDArray[np.uint8]


@dataclass
class StreamObject:
    """An object on one frame.

    Attributes:
        track_id: 1-based number of the object, the same in all windows; never used again for another one.
        label: best category as a 0-based index into the model's categories.
        category: its name.
        score: in [0, 1], of that category; the mean over the windows in which the object was seen so far.
        mask: RLE at the frame's size; never empty.
    """

    track_id: int
    label: int
    category: str
    score: float
    mask: RLE


@dataclass
class FrameResult(StreamFrame):
    """One frame, and what was found on it.

    Attributes:
        objects: those that are visible, in the order of the window's reduction, best first.
        show_thr: score from which on objects are drawn: what the model recommends for their window.
    """

    objects: list[StreamObject] = field(default_factory=list)
    show_thr: float = SHOW_SCORE_THR
