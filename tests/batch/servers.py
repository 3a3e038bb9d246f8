"""A server of clips that lets workers wait, so that what is in the middle is no matter of speed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class ClipServer(ThreadingHTTPServer):
    """Gives out the files of a folder: so many at first, all of them once ``everything`` is set."""

    daemon_threads = True

    def __init__(self, folder: Path, at_first: int) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.everything = threading.Event()
        self._at_first = at_first
        self._given: set[str] = set()
        self._lock = threading.Lock()

    def may_give(self, name: str) -> bool:
        """Whether a file is among the first ones."""
        with self._lock:
            if len(self._given) < self._at_first:
                self._given.add(name)
            return name in self._given

    def list_of(self, videos: Path, place: Path) -> Path:
        """The list of the same clips at this address, written to a place."""
        place.write_text(videos.read_text().replace("clip", f"http://127.0.0.1:{self.server_address[1]}/clip"))
        return place


class _Handler(SimpleHTTPRequestHandler):
    server: ClipServer

    def do_GET(self) -> None:
        if not self.server.may_give(self.path):
            self.server.everything.wait()
        with suppress(ConnectionError):  # A worker that was killed takes nothing.
            super().do_GET()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def serve_clips(folder: Path, at_first: int) -> Iterator[ClipServer]:
    """A server of a folder for as long as the block lasts."""
    with ClipServer(folder, at_first) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.everything.set()
            server.shutdown()
            thread.join()
