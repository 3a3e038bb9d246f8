"""Read ahead in a background thread, so that decoding overlaps with computing."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any

from .base import Frame, FrameSource

# How long to wait at the end for a chunk that is just being read.
_JOIN_SECONDS = 10.0


class Prefetcher:
    """Iterate over chunks of a source while a thread reads the next ones.

    Yields ``(start, stop, payload)`` in the order of ``chunks``; the payload is the list of frames, or what
    ``transform`` makes of it. At most ``depth`` chunks wait (one of them being read), besides the one in use.
    An error in the thread is raised where the chunk would have come. Leaving the loop early needs
    :meth:`close`, or use as a context manager; forgetting it wastes a thread until the object is collected,
    but never blocks the interpreter's exit.

    Args:
        source: frames to read; the Prefetcher does not close it.
        chunks: half-open frame ranges (start, stop), in any order.
        depth: number of chunks to read ahead, at least 1.
        transform: applied to a chunk's frames, in the thread.
    """

    def __init__(
        self,
        source: FrameSource,
        chunks: Iterable[tuple[int, int]],
        depth: int = 2,
        transform: Callable[[list[Frame]], Any] | None = None,
    ) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self._ready: SimpleQueue[tuple[int, int, Any] | BaseException | None] = SimpleQueue()
        self._free = threading.Semaphore(depth)
        stop = threading.Event()
        # The thread must not refer to this object, or an abandoned one could never be collected.
        thread = threading.Thread(
            target=_read_ahead,
            args=(source, iter(chunks), transform, self._ready, self._free, stop),
            name="prefetch",
            daemon=True,
        )
        # Runs on close, on collection, or before the interpreter shuts down, whichever comes first.
        self._finalizer = weakref.finalize(self, _stop, thread, self._free, stop)
        thread.start()

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        return self

    def __next__(self) -> tuple[int, int, Any]:
        if not self._finalizer.alive:
            raise StopIteration
        item = self._ready.get()
        self._free.release()
        if isinstance(item, tuple):
            return item
        self.close()
        if item is not None:
            raise item
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; iteration then ends. May be called more than once."""
        self._finalizer()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _read_ahead(
    source: FrameSource,
    chunks: Iterator[tuple[int, int]],
    transform: Callable[[list[Frame]], Any] | None,
    ready: SimpleQueue[tuple[int, int, Any] | BaseException | None],
    free: threading.Semaphore,
    stop: threading.Event,
) -> None:
    """Work of the thread: put every chunk, then None; or the error that ended it."""
    try:
        while True:
            free.acquire()
            if stop.is_set():
                return
            chunk = next(chunks, None)
            if chunk is None:
                break
            frames = source.read(*chunk)
            ready.put((*chunk, transform(frames) if transform else frames))
            del frames
    except BaseException as error:  # handed to the consumer, who raises it
        ready.put(error)
    else:
        ready.put(None)


def _stop(thread: threading.Thread, free: threading.Semaphore, stop: threading.Event) -> None:
    stop.set()
    free.release()
    # Collection may happen to run in the thread itself.
    if thread is not threading.current_thread():
        thread.join(_JOIN_SECONDS)
