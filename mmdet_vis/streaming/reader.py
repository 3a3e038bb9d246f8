"""Reads a stream in a thread of its own, so that no source can make the program wait for ever.

Between that thread and the one that segments is a queue of frames.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction

from mmdet_vis.checks import check_callable, check_number, check_whole, is_whole
from mmdet_vis.choices import TIMEOUT
from mmdet_vis.errors import ConfigError, SourceError, option
from mmdet_vis.streaming.frames import Stream, StreamFrame
from mmdet_vis.streaming.sources import check_source, describe, open_now, stream_name

FILE_BUFFER = 8
"""Frames that are read ahead of a source that can wait."""

_POLL_SECONDS = 0.2
_JOIN_SECONDS = 1.0


class StalledError(Exception):
    """Nothing came for as long as the user would wait."""


class FrameBuffer:
    """A queue of at most ``capacity`` frames.

    When it is full, the reader of a file waits. A live source cannot wait: there the frames are thinned out. Every
    second frame in the queue is dropped, and from then on only every second (fourth, eighth, …) that comes is taken,
    so that the queue always spans the whole time since the last window, in even steps: masks are easier to carry over
    many small gaps than over a large one. Once the queue is empty every frame is taken again.

    Args:
        capacity: at least 1.
        live: thin out instead of waiting.

    Attributes:
        dropped: frames that were dropped so far.
    """

    def __init__(self, capacity: int, live: bool) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._live = live
        self._frames: deque[StreamFrame] = deque()
        self._step = 1
        self._since = 0  # frames that came since one was taken
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._changed = threading.Condition()

    def put(self, frame: StreamFrame) -> bool:
        """Add a frame, from the reading thread; False once nobody wants more."""
        with self._changed:
            while not self._live and len(self._frames) >= self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if self._live and not self._has_room():
                self.dropped += 1
                return True
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def _has_room(self) -> bool:
        """Whether a frame of a live source is taken; makes room for it if need be."""
        self._since += 1
        if self._since < self._step:
            return False
        self._since = 0
        if len(self._frames) >= self._capacity:
            kept = list(self._frames)[::2]
            self.dropped += len(self._frames) - len(kept)
            self._frames = deque(kept)
            self._step *= 2
        # Still full where only one frame fits: it gives way to the newer one.
        if len(self._frames) >= self._capacity:
            self._frames.popleft()
            self.dropped += 1
        return True

    def get(self, timeout: float, stopped: Callable[[], bool]) -> StreamFrame | None:
        """The next frame, or None at the end, and once ``stopped`` says so.

        Raises:
            StalledError: none came for ``timeout`` seconds.
            BaseException: what ended the reading thread.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._frames and not self._ended and not stopped():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise StalledError
                self._changed.wait(min(left, _POLL_SECONDS))
            if stopped():
                return None
            if self._frames:
                frame = self._frames.popleft()
                if not self._frames:
                    self._step, self._since = 1, 0
                self._changed.notify_all()
                return frame
            error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    def end(self, error: BaseException | None = None) -> None:
        """No more frames come, because of ``error`` if there was one."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes frames any more: a reader that waits goes on, and what is here is released."""
        with self._changed:
            self._closed = True
            self._frames.clear()
            self._changed.notify_all()


class StreamReader:
    """The frames of a source, for use in a ``with`` block and iteration once.

    Entering the block opens the source; frames are read from the start of the iteration on. A camera or live address
    is never made to wait: of the frames that come while a window is segmented some are dropped, evenly. Sources that
    can wait lose nothing.

    Example::

        with StreamReader("rtsp://camera.local/live") as frames:
            for result in segment_stream(model, frames):
                print(result.index, [(o.track_id, o.category) for o in result.objects])

    Args:
        source: the number of a camera (``0``), an address (``rtsp://…``, ``http://…``), ``"-"`` for a video on
            standard input, a video file, or a folder of frames.
        timeout: seconds to wait for the source to open, and for each frame.
        buffer: frames of a live source that may wait; more are thinned out.
        stop: asked again and again; once it is true the frames end.

    Attributes:
        name: what the results are called.
        fps: frames per second, where they are known.
        live: frames may be dropped.

    Raises:
        ConfigError: an argument cannot be used.
        SourceError: nothing of that name; in the ``with`` statement: it cannot be opened; in the iteration: it stalls
            or breaks off.
    """

    fps: float | None = None
    live: bool = False

    def __init__(
        self,
        source: str | int | os.PathLike[str],
        timeout: float = TIMEOUT,
        buffer: int = 32,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        if is_whole(source, least=0) or isinstance(source, os.PathLike):
            source = str(source)
        if not isinstance(source, str):
            raise ConfigError(
                f"source is of type {type(source).__name__}: give a camera's number, an address or a path; "
                "segment_stream takes frames as they are"
            )
        check_number("timeout", timeout, 0, math.inf)
        check_whole("buffer", buffer, 1)
        check_callable("stop", stop)
        check_source(source)
        self.name = stream_name(source)
        self._source = source
        self._shown = describe(source)
        self._timeout = timeout
        self._capacity = buffer
        self._stop = stop or (lambda: False)
        self._buffer: FrameBuffer | None = None
        self._opened: Stream | BaseException | None = None
        self._answered = threading.Event()
        self._wanted = threading.Event()
        self._finished = threading.Event()
        # A daemon: a read that never returns must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name="stream", daemon=True)

    @property
    def notes(self) -> list[str]:
        """Lines for the user about what is converted; they are there with the first frame that needs it."""
        return list(self._opened.notes) if isinstance(self._opened, Stream) else []

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height, as it is displayed; known with the first frame."""
        return self._opened.pixel_aspect if isinstance(self._opened, Stream) else Fraction(1)

    @property
    def dropped(self) -> int:
        """Frames of a live source that nobody was ready for."""
        return self._buffer.dropped if self._buffer else 0

    def __enter__(self) -> StreamReader:
        self._thread.start()
        waited = 0.0
        while not self._answered.wait(_POLL_SECONDS) and waited < self._timeout and not self._stop():
            waited += _POLL_SECONDS
        opened = self._opened
        if isinstance(opened, BaseException):
            raise opened
        if opened is None:
            self.close()
            if self._stop():
                raise KeyboardInterrupt
            raise SourceError(
                f"{self._shown}: nothing came for {self._timeout:g} s; check that it sends, or {option('timeout')}"
            )
        self.fps, self.live = opened.fps, opened.live
        self._buffer = FrameBuffer(self._capacity if self.live else FILE_BUFFER, self.live)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamFrame]:
        if self._buffer is None:
            raise RuntimeError("a StreamReader is used in a with block")
        self._wanted.set()
        count = 0
        while True:
            try:
                frame = self._buffer.get(self._timeout, self._stop)
            except StalledError:
                raise SourceError(
                    f"{self._shown}: stalled, no frame came for {self._timeout:g} s after frame {count}; "
                    f"check that it sends, or {option('timeout')}"
                ) from None
            if frame is None:
                return
            count = frame.index + 1
            yield frame
            del frame

    def close(self) -> None:
        """Stop reading. A read that does not return is left alone; it ends with the program."""
        self._finished.set()
        self._wanted.set()
        if self._buffer is not None:
            self._buffer.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)

    def _work(self) -> None:
        """The thread: open, wait until frames are wanted, read."""
        try:
            stream = open_now(self._source, self._timeout, self._finished)
        except BaseException as error:  # raised by the one who waits
            self._opened = error
            self._answered.set()
            return
        try:
            self._opened = stream
            self._answered.set()
            self._wanted.wait()
            self._pump(stream)
        finally:
            stream.close()

    def _pump(self, stream: Stream) -> None:
        error: BaseException | None = None
        if self._finished.is_set() or self._buffer is None:
            return
        try:
            for frame in stream.frames():
                if not self._buffer.put(frame):
                    return
                del frame
        except BaseException as caught:  # raised by the one who waits
            error = caught
        self._buffer.end(error)
