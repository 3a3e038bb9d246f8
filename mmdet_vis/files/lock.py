"""One run at a time in a folder of results: a lock that ends with the processes that hold it, however they end."""

from __future__ import annotations

import errno
import logging
import os
import platform
import weakref
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor

from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import ensure_writable_dir

_LOGGER = logging.getLogger(__name__)

NAME = ".lock"
# What file systems answer that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
# Windows keeps others from reading the byte that is locked, the first one: the owner's name comes after it.
_LOCKED = b"\n"
# Those that this process holds.
_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


class RunLock:
    """The right to write into a folder, for all processes of a run.

    The first process takes it (:meth:`acquire`); each of the others then takes a file of its own beside it
    (:meth:`join`), and the folder is free again when the last of them has ended. The operating system does that, also
    after SIGKILL. Processes that one of them forks, such as those that load data, do not have it: they may outlive it
    for some seconds. The files tell others who has it; they stay behind if processes are killed, and mean nothing then.

    Args:
        folder: made by :meth:`acquire` if need be.
        rank: number of this process in its run.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.path = folder / (f"{NAME}-{rank}" if rank else NAME)
        self._descriptor: int | None = None

    def acquire(self) -> str:
        """Take the lock; returns the name of its owner for :meth:`join`.

        Raises:
            OutputError: another run has it, or the folder cannot be written.
        """
        folder = ensure_writable_dir(self.path.parent)
        owner = f"process {os.getpid()} on {platform.node()}"
        try:
            self._take(owner)
            # The first process of another run may have ended before the others.
            for path in sorted(folder.glob(f"{NAME}-*")) if self._descriptor is not None else ():
                other = RunLock(folder)
                other.path = path
                other._take(owner)
                other.release()
        except BaseException:  # also Ctrl-C and SIGTERM
            self.release()
            raise
        return owner

    def join(self, owner: str) -> None:
        """Take the lock beside the first process, where :meth:`acquire` returned the owner.

        Raises:
            OutputError: another run has come in between.
        """
        self._take(owner)
        # In this order: another run says whose the folder is before it looks for files like this one.
        with suppress(FileNotFoundError), open(self.path.with_name(NAME), "rb") as first:
            first.seek(len(_LOCKED))
            if (found := _decode(first.read(200))) not in ("", owner):
                self.release()
                raise self._in_use(found)

    def release(self) -> None:
        """Give the lock back, and remove its file."""
        if self._descriptor is None:
            return
        self._remove(self._descriptor)
        self.forget()
        if os.name == "nt":  # There an open file cannot be removed.
            with suppress(OSError):
                self.path.unlink()

    def forget(self) -> None:
        """Close this process's copy; those of others keep the lock."""
        _held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def _take(self, owner: str) -> None:
        try:
            while not self._lock():  # The run before removed the file between open and lock.
                pass
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.write(self._descriptor, _LOCKED + f"{owner}\n".encode())
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}; choose another folder") from error

    def _lock(self) -> bool:
        """Lock the file; False if it is not the one of that name any more."""
        # A link is not followed: it would have the file that it names overwritten.
        if self.path.is_symlink():
            raise OutputError(f"cannot write {self.path}: it is a link; remove it")
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            if not lock_descriptor(descriptor, blocking=False):
                os.lseek(descriptor, len(_LOCKED), os.SEEK_SET)
                raise self._in_use(_decode(os.read(descriptor, 200)))
            if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                self._descriptor = descriptor
                _held.add(self)
                return True
        except FileNotFoundError:
            pass
        except KeyboardInterrupt:
            self._remove(descriptor)
            raise
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            if self.path.name == NAME:  # Once for all processes.
                _LOGGER.warning("%s cannot be locked: start no second run there", self.path.parent)
            self.path.unlink()
            return True
        finally:
            if self._descriptor is None:
                os.close(descriptor)
        return False

    def _remove(self, descriptor: int) -> None:
        """Remove the file unless another process has the lock, or the file of that name is another one by now."""
        with suppress(OSError):
            if lock_descriptor(descriptor, blocking=False) and os.path.samestat(
                os.fstat(descriptor), os.stat(self.path)
            ):
                self.path.unlink()

    def _in_use(self, owner: str) -> OutputError:
        return OutputError(
            f"{self.path.parent} is in use by another run ({owner or 'a process that just began'}): wait until it has "
            "ended, or use another folder"
        )


def _decode(owner: bytes) -> str:
    return owner.decode(errors="replace").strip()


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
