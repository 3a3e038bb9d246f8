"""The frames between the thread that reads them and the one that segments them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from mmdet_vis.streaming.frames import StreamFrame

_POLL_SECONDS = 0.2


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
