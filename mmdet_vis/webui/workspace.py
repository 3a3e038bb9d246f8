"""Temporary files of the server: all under one folder, which goes with it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PREFIX = "mmdet_vis_web_"
MAX_AGE = 3600.0
"""Seconds after which an upload is deleted, if its page is not closed before."""
SWEEP_EVERY = 60.0
_ALIVE = "alive"


class Workspace:
    """A folder for uploads that forgets; what becomes of them is linked into projects, which last longer.

    A page's uploads are deleted when the page is closed, at the latest when they are ``max_age`` old, and everything
    when the server ends. What a killed server left behind is deleted by the next one.

    Args:
        parent: where the folder is made; the system's folder of temporary files by default.
        max_age: seconds.
    """

    def __init__(self, parent: Path | None = None, max_age: float = MAX_AGE) -> None:
        self.max_age = max_age
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
        (self.root / _ALIVE).touch()
        self._lock = threading.Lock()
        self._owners: dict[str, set[Path]] = {}
        self._permanent: set[Path] = set()
        self._closed = threading.Event()
        self._remove_abandoned()

    def start_sweeping(self, every: float = SWEEP_EVERY, also: Callable[[], None] | None = None) -> None:
        """Delete what is too old again and again, in the background; ``also`` is called each time."""

        def sweep_on() -> None:
            while not self._closed.wait(every):
                self.sweep()
                if also is not None:
                    also()

        threading.Thread(target=sweep_on, name="sweep", daemon=True).start()

    def own(self, session: str, path: Path) -> None:
        """Note that a page uses a file or folder; several may use the same upload. Others than ours are left alone."""
        path = path.resolve()
        if self.root in path.parents:
            with self._lock:
                self._owners.setdefault(session, set()).add(path)

    def forget(self, session: str) -> None:
        """Delete the files of a page that is closed, as far as no other page has them."""
        with self._lock:
            paths = self._owners.pop(session, set())
            kept = self._permanent.union(*self._owners.values())
        for path in paths - kept:
            _remove(path)

    def keep(self, path: Path) -> None:
        """Leave a file or folder alone until the server ends."""
        with self._lock:
            self._permanent.add(path)

    def keep_all(self) -> None:
        """Keep what is there now until the server ends: the page's own pictures and examples."""
        with self._lock:
            self._permanent.update(path for path in self.root.rglob("*") if not path.is_dir())

    def sweep(self, now: float | None = None) -> None:
        """Delete files older than ``max_age`` that nothing uses, and folders that are then empty.

        Args:
            now: seconds since the epoch; the present unless given.
        """
        now = time.time() if now is None else now
        with suppress(OSError):
            (self.root / _ALIVE).touch()
        with self._lock:
            kept = {*self._permanent, self.root / _ALIVE}
            for path in sorted(self.root.rglob("*"), reverse=True):  # files before their folders
                if kept.isdisjoint({path, *path.parents}) and now - _changed(path) > self.max_age:
                    delete = path.rmdir if path.is_dir() else path.unlink
                    with suppress(OSError):  # a folder that is not empty, or gone already
                        delete()
            for session, paths in list(self._owners.items()):
                self._owners[session] = {path for path in paths if path.exists()}
                if not self._owners[session]:
                    del self._owners[session]

    def close(self) -> None:
        """Delete everything."""
        self._closed.set()
        shutil.rmtree(self.root, ignore_errors=True)

    def _remove_abandoned(self) -> None:
        """Delete the folders of servers that were killed: they have long not said that they live."""
        for other in self.root.parent.glob(f"{PREFIX}*"):
            with suppress(OSError):  # one that ends just now
                alive = other / _ALIVE
                silence = time.time() - (alive if alive.exists() else other).stat().st_mtime
                if silence > max(self.max_age, 3 * SWEEP_EVERY):
                    _remove(other)


def _changed(path: Path) -> float:
    """When a file was written, or copied here; the future if it is gone."""
    try:
        stat = path.lstat()
    except OSError:
        return float("inf")
    return max(stat.st_mtime, stat.st_ctime)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
            path.parent.rmdir()  # the folder that an upload has to itself
