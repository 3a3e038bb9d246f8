"""Videos at addresses (``s3://``, ``gs://``, ``hf://``, ``https://``): fetched whole, then read as files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...errors import ConfigError, SourceError, one_line
from ...files.storage import file_system, is_address, local_path


class FetchError(SourceError):
    """A video that could not be fetched for a reason that may go away, such as the network."""


class LocalCopy:
    """A video as a file or folder on this machine; one at an address is fetched into a temporary folder.

    Args:
        uri: a path or an address. An address that ends with ``/`` is a folder of frames.

    Attributes:
        path: of the file or the folder of frames.

    Raises:
        SourceError: the address cannot be used, or there is nothing.
        FetchError: it could not be fetched now.
    """

    def __init__(self, uri: str) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not is_address(uri):
            self.path = local_path(uri)
            return
        try:
            system, place = file_system(uri)
        except ConfigError as error:
            raise SourceError(str(error)) from error
        self._folder = tempfile.TemporaryDirectory(prefix="mmdet_vis-")
        self.path = Path(self._folder.name, place.rstrip("/").rpartition("/")[2] or "video")
        try:
            if uri.endswith("/"):
                system.get(f"{place.rstrip('/')}/", f"{self.path}{os.sep}", recursive=True)
            else:
                system.get_file(place, str(self.path))
        except Exception as error:  # Each store has errors of its own.
            self.close()
            if isinstance(error, FileNotFoundError):
                raise SourceError(f"{uri}: there is no such object; check the address") from None
            if isinstance(error, PermissionError):
                raise SourceError(f"{uri}: {one_line(error)}; check the permissions") from error
            raise FetchError(
                f"{uri}: could not be fetched ({one_line(error)}); check who may read it, and try again"
            ) from error

    def scratch(self) -> Path:
        """A temporary folder beside what was fetched, which goes with it."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mmdet_vis-")
        return Path(self._folder.name)

    def close(self) -> None:
        """Remove what was fetched."""
        if self._folder is not None:
            self._folder.cleanup()
