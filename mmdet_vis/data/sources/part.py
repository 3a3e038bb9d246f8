"""A range of the frames of another source."""

from __future__ import annotations

from ...errors import SourceError
from .base import Frame, FrameSource


class PartSource(FrameSource):
    """Frames ``start`` to ``stop - 1`` of a source, as a source of their own; closing it leaves the other one open.

    Args:
        source: all frames.
        start: the first frame, 0-based.
        stop: the one after the last; None, or more than there are: to the end.
        name: what results are called.

    Raises:
        SourceError: the source has no frame in that range.
    """

    def __init__(self, source: FrameSource, start: int = 0, stop: int | None = None, name: str | None = None) -> None:
        self._source = source
        self._start = start
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
