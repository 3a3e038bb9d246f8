"""Writing files so that a reader never sees half of one, never over an input, with errors that a user can act on."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from mmdet_vis.errors import OutputError, option

_PROBE_BYTES = 4096
# The earliest time that a zip can hold, for every member: clocks and time zones must not change the bytes.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_UNFINISHED = re.compile(r"\.tmp-[0-9a-f]+(\.\w+)?")
# What file systems answer that cannot be told to write now.
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES)


def _output_error(path: Path, error: OSError) -> OutputError:
    """An :class:`OutputError` of one line that says why ``path`` cannot be written and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"cannot write {path}: no room left ({error.strerror}); free some disk space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(f"cannot write {path}: {error.strerror}; choose another folder or change its permissions")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return OutputError(f"cannot write {path}: part of this path is a file, not a folder; choose another folder")
    return OutputError(f"cannot write {path}: {error.strerror or error}; choose another path")


@contextmanager
def temporary_path(path: str | Path) -> Iterator[Path]:
    """Give the ``with`` block a temporary name beside ``path`` and rename that file to ``path`` at its end.

    If the block fails, for whatever reason, the temporary file is removed and an older ``path`` stays. The file's
    contents reach the disk before its name does, so after a power cut there is the old file or the new one.

    Raises:
        OutputError: the file cannot be written (an ``OSError`` of the block that concerns this file, too).
    """
    path = Path(path)
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}{path.suffix}")
    try:
        # A device or folder of that name would be replaced, or fail only after all the work.
        _check_regular(path)
        yield temporary
        _sync(temporary, os.O_RDWR)
        os.replace(temporary, path)
        if os.name == "posix":  # Elsewhere folders cannot be opened.
            _sync(path.parent, os.O_RDONLY)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path), temporary, path):
            raise
        raise _output_error(path, error) from error
    finally:
        with suppress(OSError):  # Renamed by now, or never made.
            temporary.unlink()


def _check_regular(path: Path) -> None:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return
    if not regular:
        raise OutputError(f"cannot write {path}: it exists and is not a regular file; choose another path")


def _sync(path: Path, flags: int) -> None:
    """Wait until the file or folder is on the disk, where the file system can do that."""
    try:
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


@contextmanager
def atomic_stream(path: str | Path) -> Iterator[BinaryIO]:
    """Open ``path`` for binary writing; it appears, complete, when the ``with`` block ends without an error.

    Raises:
        OutputError: if the file cannot be written.
    """
    with temporary_path(path) as temporary, open(temporary, "xb") as stream:
        yield stream


def atomic_write(path: str | Path, data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) to ``path`` in one step, replacing an older file.

    Raises:
        OutputError: if the file cannot be written.
    """
    with atomic_stream(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


def write_zip(path: str | Path, members: Iterable[tuple[str, Path]], compress: bool) -> None:
    """Write files, each with its name in the zip, in the order given, without holding any in memory.

    The zip appears when it is complete. To ``compress`` is pointless for PNGs.

    Raises:
        OutputError: a file cannot be read or the zip cannot be written.
    """
    with atomic_stream(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, file in members:
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            info.create_system = _UNIX
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            with _opened(file, path) as source, archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _opened(file: Path, zip_path: str | Path) -> BinaryIO:
    try:
        return open(file, "rb")
    except OSError as error:
        raise OutputError(f"cannot put {file} into {zip_path}: {error.strerror}") from error


def ensure_writable_dir(path: str | Path) -> Path:
    """The folder ``path``, made (with its parents) if need be; proves that files can be written to it.

    Worth calling before hours of computing. It writes a small file and removes it, since permission bits tell
    nothing about read-only disks, full disks or the root user.

    Raises:
        OutputError: the folder cannot be created or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".tmp-{uuid.uuid4().hex}"
        try:
            probe.write_bytes(bytes(_PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error
    return path


def remove_unfinished(folders: Iterable[Path]) -> None:
    """Remove the files that were being written when a program was killed; only for who has the folders to itself.

    The folders need not exist; what is in folders below them stays. Raises :class:`OutputError`: a file stays.
    """
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for path in (folder / name for name in sorted(names) if _UNFINISHED.fullmatch(name)):
            if path.is_symlink() or not path.is_file():
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot remove {path}: {error.strerror}; use another folder") from error


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path] = ()) -> None:
    """Prove that files can be written, before the work whose results they are to hold; makes their folders.

    Raises:
        OutputError: an output (None: nobody asked for it) cannot be written, is an input, or two are the same.
    """
    taken = {path.resolve(): f"it is the input {path}" for path in inputs}
    for path in outputs:
        if path is None:
            continue
        ensure_writable_dir(path.parent)
        try:
            _check_regular(path)
        except OSError as error:  # Such as a name that is too long.
            raise _output_error(path, error) from error
        place = path.resolve()
        if place in taken:
            raise OutputError(f"cannot write {path}: {taken[place]}; choose another path")
        taken[place] = "another output has the same path"


def check_places(
    inputs: Iterable[Path], places: Iterable[Path], folders: Iterable[Path] = (), argument: str = "save_dir"
) -> None:
    """Refuse to write results over inputs, or to mix the two.

    Each folder is looked at once, so a dataset of a million frames, or a run over ten thousand videos, takes seconds.

    Args:
        inputs: files, and folders of which all is input.
        places: files that the run writes, and folders whose contents it writes; they need not exist.
        folders: those among ``inputs``, in which no place may lie.

    Raises:
        OutputError: names an input and the place that it is, lies in or holds.
    """
    places = list(places)
    for paths, others, swapped in ((inputs, places, False), (places, folders, True)):
        holder_of = _holders(others)
        for path in paths:
            holder = holder_of(path)
            if holder is not None:
                place, given = (path, holder) if swapped else (holder, path)
                raise OutputError(f"{place} would overwrite the input {given}: choose another {option(argument)}")


def _holders(paths: Iterable[Path]) -> Callable[[Path], Path | None]:
    """A function that finds the one of these paths that another path is or lies in, all links followed."""
    real_folder = cache(os.path.realpath)

    def split(file: str) -> tuple[str, str]:
        """The real folder and the name of a file, which itself may be a link."""
        folder, name = os.path.split(file)
        if name in ("", os.curdir, os.pardir):
            folder, name = os.path.split(os.path.realpath(file))
        return real_folder(folder), name

    def real(file: str) -> str:
        return os.path.realpath(file) if os.path.islink(file) else os.path.join(*split(file))

    known = {real(str(path)): path for path in paths}
    # The target of a link can only lie in what is there already.
    follow = any(map(os.path.lexists, known))

    @cache
    def above(folder: str) -> Path | None:
        parents = map(str, (Path(folder), *Path(folder).parents))
        return next((known[parent] for parent in parents if parent in known), None)

    def look_up(file: str) -> Path | None:
        folder, name = split(file)
        return above(folder) or known.get(os.path.join(folder, name))

    def holder_of(path: Path) -> Path | None:
        file = str(path)
        found = look_up(file) if known else None
        return look_up(os.path.realpath(file)) if found is None and follow and os.path.islink(file) else found

    return holder_of
