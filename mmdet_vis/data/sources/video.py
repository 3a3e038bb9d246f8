"""Frames of a video file through FFmpeg (PyAV): any order, upright, each one the frame that was indexed."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ...errors import SourceError
from .base import Frame, FrameSource
from .naming import unique_names
from .video_colour import BgrConverter
from .video_decode import DECODE_ERRORS, Fingerprint, decode_packets, open_container
from .video_fields import CONTEXT, deinterlace
from .video_index import VideoIndex, index_video

# A jump to a key frame does not always land on it; before giving up, try this many key frames earlier.
_STEPS_BACK = (0, 1, 4)


class VideoFileSource(FrameSource):
    """A video file as a sequence of upright frames: one per stored frame, also where the frame rate varies.

    Opening decodes the file once (see :func:`index_video`), so that the number of frames is exact and a
    damage is known before any work is done; the frames before it are kept, with a line in ``warnings``.
    Frames are named by their index in display order. Rotation is applied, a non-square pixel shape is told only,
    interlaced frames become whole ones, and high dynamic range becomes BT.709 (:mod:`.video_colour`).

    Args:
        path: a video file in a format that FFmpeg recognises by content, whatever its ending.
        cache_frames, cache_bytes: bounds on the frames that are kept of those that have to be decoded to get from a key
            frame to the wanted ones; a reader that goes backwards asks for them next.

    Raises:
        SourceError: not a video, no video stream, or no frame that can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str], cache_frames: int = 128, cache_bytes: int = 128 * 2**20) -> None:
        self._path = Path(path)
        self._index = index_video(self._path)
        self._orientation = self._index.orientation
        self.name = unique_names([self._path])[0]
        self.height, self.width = self._orientation.upright_size(self._index.stored)
        found = self._index.timing
        self.fps, self.times, self.last = found.fps, found.times, found.last
        self.pixel_aspect = self._orientation.upright_aspect(self._index.pixel_aspect)
        self.warnings = list(self._index.warnings)
        self.frame_names = [f"{frame:05d}" for frame in range(len(self._index.fingerprints))]
        # Decoded frames take one and a half bytes per pixel, seldom up to three.
        frame_bytes = 3 * self.height * self.width
        self._cache_size = max(min(cache_frames, cache_bytes // frame_bytes), 1)
        self._cache: dict[int, Any] = {}
        self._to_bgr = BgrConverter(self._index.stored)
        self._decoder = _Decoder(self._path, self._index)
        # Neither a container nor a decoder may be used from two threads at once.
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        with self._lock:
            pictures = self._whole(start, stop) if self._index.interlaced else self._fetch(start, stop)
            return [self._orientation.apply(self._to_bgr(picture)) for picture in pictures]

    def close(self) -> None:
        """Close the file; reading afterwards opens it again."""
        with self._lock:
            self._cache.clear()
            self._decoder.close()

    def _whole(self, start: int, stop: int) -> list[Any]:
        """Frames [start, stop), deinterlaced: the same whatever is asked for together."""
        if start == stop:
            return []
        first, last = max(start - CONTEXT, 0), min(stop + CONTEXT, len(self))
        pictures = self._fetch(first, last)
        # The neighbouring chunks, in either direction, need these again.
        for index in (*range(first, start + CONTEXT), *range(stop - CONTEXT, last)):
            self._cache[index] = pictures[index - first]
        while len(self._cache) > self._cache_size + 4 * CONTEXT:
            self._cache.pop(next(iter(self._cache)))
        return list(deinterlace(pictures))[start - first : stop - first]

    def _fetch(self, start: int, stop: int) -> list[Any]:
        """Frames [start, stop) as they are decoded."""
        found = {index: self._cache[index] for index in range(start, stop) if index in self._cache}
        missing = [index for index in range(start, stop) if index not in found]
        if missing:
            found.update(self._decode(missing[0], missing[-1] + 1))
        return [found[index] for index in range(start, stop)]

    def _decode(self, start: int, stop: int) -> dict[int, Any]:
        """Decode frames [start, stop), and keep some of those before that had to be decoded on the way."""
        if start != self._decoder.position:
            self._cache.clear()
        found = {}
        for index, frame in self._decoder.frames(start, stop):
            if index >= start:
                found[index] = frame
            else:
                self._cache[index] = frame
                self._cache.pop(index - self._cache_size, None)
        return found


class _Decoder:
    """Decodes the indexed frames of a file, from a key frame near the wanted ones.

    Every frame after a jump is compared with the index, by time stamp and content. Where a jump leads to
    other frames than those indexed (broken tables of key frames, decoders that need a longer start), decoding
    starts over from an earlier key frame, in the end from the beginning.

    Attributes:
        position: index of the frame that comes next without a jump.
    """

    def __init__(self, path: Path, index: VideoIndex) -> None:
        self._path = path
        self._index = index
        self._fingerprint = Fingerprint()
        self._container: Any = None
        self._stream: Any = None
        self._run: Iterator[Any] = iter(())
        self._jumped = False
        self._seekable = index.pts is not None
        self.position = 0

    def close(self) -> None:
        """Close the file; decoding afterwards opens it again."""
        self._run = iter(())
        if self._container is not None:
            self._container.close()
        self._container = None

    def frames(self, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, frame) up to ``stop - 1``, beginning at ``start`` or at some frame before it.

        Where a jump turns out wrong on the way, frames that came before may come again.
        """
        failures = 0
        if self._container is None or not self._key_before(start) <= self.position <= start:
            self._place(start, failures)
        while self.position < stop:
            frame = self._next()
            if frame is not None:
                self.position += 1
                yield self.position - 1, frame
                continue
            if not self._jumped:
                self.close()
                raise SourceError(f"{self._path}: frame {self.position} is gone; the file changed, run again")
            failures += 1
            self._place(max(start, self.position), failures)

    def _key_before(self, frame: int, steps: int = 0) -> int:
        """The last key frame not after ``frame``, or one ``steps`` key frames earlier; 0 if there is none."""
        place = bisect_right(self._index.keys, frame) - 1 - steps
        return self._index.keys[place] if place >= 0 and self._seekable else 0

    def _place(self, frame: int, failures: int) -> None:
        """Go to a place from which ``frame`` can be reached, a safer one the more jumps have failed."""
        for steps in _STEPS_BACK[failures:]:
            key = self._key_before(frame, steps)
            if key == 0:
                break
            if self._jump(key):
                return
        else:
            self._seekable = False
        self._rewind()

    def _rewind(self) -> None:
        """Open the file anew: the one way to the first frame that needs no trust in time stamps."""
        self.close()
        self._container, self._stream = open_container(self._path, self._index.threads)
        self._run = islice(self._decoded(), self._index.lead, None)
        self._jumped, self.position = False, 0

    def _jump(self, key: int) -> bool:
        """Go to key frame ``key``; False if that cannot lead there (what comes is checked by :meth:`_next`)."""
        if self._container is None:
            self._rewind()
        assert self._index.pts is not None
        stamp = self._index.pts[key]
        try:
            self._container.seek(stamp, stream=self._stream, backward=True)
        except DECODE_ERRORS:
            return False
        self._run = self._decoded()
        self._jumped, self.position = True, key
        for frame in self._run:
            if frame.pts is not None and frame.pts >= stamp:
                self._run = chain((frame,), self._run)
                return True
        return False

    def _decoded(self) -> Iterator[Any]:
        for _, frames in decode_packets(self._container, self._stream):
            yield from frames or ()

    def _next(self) -> Any:
        """The frame at ``position``, or None if something else comes."""
        frame = next(self._run, None)
        if frame is None or not self._jumped:
            return frame
        assert self._index.pts is not None
        same = frame.pts == self._index.pts[self.position]
        return frame if same and self._fingerprint(frame) == self._index.fingerprints[self.position] else None
