"""A folder for results that is on this machine or in an object store (``s3://``, ``gs://``, ``hf://``), used alike.

Either way a file appears whole or not at all: here it is renamed to its name, there one request puts it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmdet_vis.errors import ConfigError, OutputError, one_line
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir, remove_unfinished

PACKAGES = {
    "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "az": "adlfs", "abfs": "adlfs",
    "http": "aiohttp", "https": "aiohttp", "memory": "fsspec",
}  # fmt: skip
"""Schemes of addresses that are read, each with the package that fsspec needs for it. No others: an address may come
from a list that somebody else wrote, and fsspec knows schemes that run programs or read other files through it."""

_HEAD = 4096


def is_address(uri: str) -> bool:
    """Whether this is an address, and not a path on this machine (also as ``file://``)."""
    return "://" in uri and not uri.startswith("file://")


def local_path(uri: str) -> Path:
    """The path of what is on this machine."""
    return Path(uri.removeprefix("file://"))


def file_system(uri: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the address's path in it.

    Raises:
        ConfigError: the scheme is not one of :data:`PACKAGES`, or its package is not installed.
    """
    scheme = uri.partition("://")[0]
    if scheme not in PACKAGES:
        schemes = ", ".join(f"{name}://" for name in PACKAGES if name != "memory")
        raise ConfigError(f"{uri:.200}: {scheme}:// is not supported: use a path, or one of {schemes}")
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(uri)
    except ImportError:
        package = PACKAGES[scheme]
        raise ConfigError(f"{uri:.200}: {scheme}:// needs the package {package}: pip install {package}") from None
    except ValueError as error:
        raise ConfigError(f"{uri:.200}: {one_line(error, 200)}; check the address") from error
    return system, path


def open_storage(uri: str | Path) -> Storage:
    """The folder of that path or address; it need not exist.

    Raises:
        ConfigError: see :func:`file_system`; or it is empty, or a scheme alone.
    """
    text = str(uri)
    if not text or text.endswith("://"):
        raise ConfigError(f"{text!r} is no place: name a folder, or an address with a bucket")
    return RemoteStorage(text) if is_address(text) else LocalStorage(local_path(text))


class Storage(ABC):
    """A folder. Names of files are relative to it, with ``/`` between folders.

    Attributes:
        uri: what a user calls it.
        folder: its path, where it is on this machine.
    """

    uri: str
    folder: Path | None = None

    def place(self, name: str) -> str:
        """Path or address of a file."""
        return f"{self.uri.rstrip('/')}/{name}"

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder if need be, and prove that it can be written. Raises :class:`OutputError`: it cannot."""

    @abstractmethod
    def read(self, name: str, size: int = -1) -> bytes:
        """Contents of a file, or its first ``size`` bytes. Raises ``FileNotFoundError``, or another ``OSError``."""

    @abstractmethod
    def write(self, name: str, data: bytes | str) -> None:
        """Write a file in one step. Raises :class:`OutputError`: it cannot be written."""

    @abstractmethod
    def write_to(self, name: str) -> Any:
        """A context manager that gives a path to write the file to, in one step; the file is there at its end.

        Raises:
            OutputError: it cannot be written.
        """

    @abstractmethod
    def read_from(self, name: str) -> Any:
        """A context manager that gives a path to read the file from. Raises ``FileNotFoundError``: there is none."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of the files and folders in a folder, sorted; none if it is not there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""

    @abstractmethod
    def is_whole(self, name: str, end: bytes) -> bool:
        """Whether a file has its end: on a disk it may have its name but not its contents after a power cut."""


class LocalStorage(Storage):
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path = folder
        self.uri = str(folder)

    def prepare(self) -> None:
        """See :class:`Storage`."""
        ensure_writable_dir(self.folder)

    def read(self, name: str, size: int = -1) -> bytes:
        """See :class:`Storage`."""
        with open(self.folder / name, "rb") as file:
            return file.read(size)

    def write(self, name: str, data: bytes | str) -> None:
        """See :class:`Storage`."""
        with self.write_to(name) as path:
            atomic_write(path, data)

    @contextmanager
    def write_to(self, name: str) -> Iterator[Path]:
        """See :class:`Storage`; who writes to the path does so in one step."""
        path = self.folder / name
        if not path.parent.is_dir():
            ensure_writable_dir(path.parent)
        yield path

    @contextmanager
    def read_from(self, name: str) -> Iterator[Path]:
        """See :class:`Storage`."""
        path = self.folder / name
        if not path.exists():
            raise FileNotFoundError(str(path))
        yield path

    def names(self, folder: str = "") -> list[str]:
        """See :class:`Storage`; files that are being written have no name yet."""
        try:
            return sorted(name for name in os.listdir(self.folder / folder) if not name.startswith("."))
        except OSError:
            return []

    def remove(self, name: str) -> None:
        """See :class:`Storage`."""
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def remove_unfinished(self, *folders: str) -> None:
        """Remove what was being written in folders of this one, and in those in them, when a program was killed."""
        for folder in folders:
            remove_unfinished([Path(at) for at, _, _ in os.walk(self.folder / folder)])

    def is_whole(self, name: str, end: bytes) -> bool:
        """See :class:`Storage`."""
        try:
            with open(self.folder / name, "rb") as file:
                file.seek(-len(end), os.SEEK_END)
                return file.read() == end
        except OSError:
            return False


class RemoteStorage(Storage):
    """A prefix of an object store, through fsspec.

    Args:
        uri: its address.

    Raises:
        ConfigError: see :func:`file_system`.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._system, root = file_system(self.uri)
        self._root = root.rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _errors(self, name: str, what: str = "write") -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Each store has errors of its own.
            reason = f"{one_line(error)}; check the address and the permissions"
            raise OutputError(f"cannot {what} {self.place(name)}: {reason}") from error

    def prepare(self) -> None:
        """See :class:`Storage`; a small object is put and removed."""
        self.write(".probe", b"\0")
        self.remove(".probe")

    def read(self, name: str, size: int = -1) -> bytes:
        """See :class:`Storage`."""
        with _os_errors():
            data: bytes = self._system.cat_file(self._path(name), start=None, end=None if size < 0 else size)
            return data

    def write(self, name: str, data: bytes | str) -> None:
        """See :class:`Storage`."""
        with self._errors(name):
            self._system.pipe_file(self._path(name), data.encode() if isinstance(data, str) else data)

    @contextmanager
    def write_to(self, name: str) -> Iterator[Path]:
        """See :class:`Storage`; the file is uploaded at the end of the block."""
        with tempfile.TemporaryDirectory(prefix="mmdet_vis-") as folder:
            path = Path(folder, name.rpartition("/")[2])
            yield path
            with self._errors(name):
                self._system.put_file(str(path), self._path(name))

    @contextmanager
    def read_from(self, name: str) -> Iterator[Path]:
        """See :class:`Storage`; the file is fetched."""
        with tempfile.TemporaryDirectory(prefix="mmdet_vis-") as folder:
            path = Path(folder, name.rpartition("/")[2])
            with _os_errors():
                self._system.get_file(self._path(name), str(path))
            yield path

    def names(self, folder: str = "") -> list[str]:
        """See :class:`Storage`."""
        path = self._path(folder)
        self._system.invalidate_cache(path)
        found: list[str] = []
        with self._errors(folder, "list"), suppress(FileNotFoundError):
            found = self._system.ls(path, detail=False)
        names = {str(each).rstrip("/").rpartition("/")[2] for each in found if str(each).rstrip("/") != path}
        return sorted(name for name in names if name and not name.startswith("."))

    def remove(self, name: str) -> None:
        """See :class:`Storage`."""
        with self._errors(name, "remove"), suppress(FileNotFoundError):
            self._system.rm(self._path(name), recursive=True)

    def is_whole(self, name: str, end: bytes) -> bool:
        """See :class:`Storage`; an object that has its name is whole."""
        return True


@contextmanager
def _os_errors() -> Iterator[None]:
    """Errors of a store, which has its own kinds, as those of a disk."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(one_line(error)) from error
