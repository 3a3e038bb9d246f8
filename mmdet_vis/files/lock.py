"""One run at a time in a folder of results: a lock that ends with the processes that hold it, however they end."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import ensure_writable_dir

NAME = ".lock"
# What file systems answer that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
# Those that this process holds.
_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


class RunLock:
    """The right to write into a folder, for all processes of a run.

    The first process takes it alone (:meth:`acquire`) and lets the others in (:meth:`share`), which then take it, too
    (:meth:`join`): it is free again when the last of them has ended. The operating system does that, also after
    SIGKILL. Processes that one of them forks, such as those that load data, do not have it: they may outlive it for
    some seconds. The file tells others who has it; it stays behind if all processes are killed, and means nothing then.

    Args:
        folder: made by :meth:`acquire` if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            OutputError: another run has it, or the folder cannot be written.
        """
        ensure_writable_dir(self.path.parent)
        try:
            self._acquire()
        except BaseException:  # also Ctrl-C and SIGTERM
            self.release()
            raise

    def _acquire(self) -> None:
        try:
            while not self._lock(fcntl.LOCK_EX):  # The run before removed the file between open and lock.
                pass
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OutputError(f"cannot write {self.path}: it is a link; remove it") from error
            raise OutputError(f"cannot write {self.path}: {error.strerror}; choose another --save-dir") from error

    def share(self) -> None:
        """Let the other processes of this run in; other runs stay out.

        Raises:
            OutputError: another run came in between, since this takes two steps.
        """
        if self._descriptor is not None:
            self._flock(self._descriptor, fcntl.LOCK_SH)

    def join(self) -> None:
        """Take the lock beside the first process, which shared it.

        Raises:
            OutputError: another run has it.
        """
        self._lock(fcntl.LOCK_SH)

    def release(self) -> None:
        """Give the lock back; the last process to do so removes the file."""
        if self._descriptor is None:
            return
        self._remove(self._descriptor)
        self.forget()

    def forget(self) -> None:
        """Close this process's copy; those of others keep the lock."""
        _held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _lock(self, kind: int) -> bool:
        """Lock the file; False if it is not the one of that name any more."""
        # A link is not followed: it would have the file that it names overwritten.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            self._flock(descriptor, kind)
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
            print(f"warning: {self.path.parent} cannot be locked: start no second run there", file=sys.stderr)
            self.path.unlink()
            return True
        finally:
            if self._descriptor is None:
                os.close(descriptor)
        return False

    def _remove(self, descriptor: int) -> None:
        """Remove the file unless another process has the lock, or the file of that name is another one by now."""
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                self.path.unlink()

    def _flock(self, descriptor: int, kind: int) -> None:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "a process that just began"
            raise OutputError(
                f"{self.path.parent} is in use by another run ({owner}): wait until it has ended, or use another "
                "--save-dir"
            ) from None


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
