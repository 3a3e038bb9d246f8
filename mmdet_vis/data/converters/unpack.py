"""Exports that annotation tools give as a zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from mmdet_vis.data.formats.errors import ZIP_ERRORS
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.files.zips import name_problems, read_member

MAX_MEMBERS = 10**6
MAX_BYTES = 2**38


def unpack(path: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """Unpack a zip into a new folder of its name below ``folder``.

    Args:
        path: the zip; its members must stay in their folder, and may not unpack to far more than they take in the zip.
        folder: where the new folder is made.
        say: takes a line that says where.

    Raises:
        DatasetError: the new folder exists already, or the zip is damaged or unsafe.
        OutputError: a file cannot be written.
    """
    target = folder / path.stem
    if target.exists():
        raise DatasetError(
            f"{path} would be unpacked to {target}, which exists: give {target} as the source, or remove it"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            problems = name_problems(archive)
            if problems or len(members) > MAX_MEMBERS or sum(info.file_size for info in members) > MAX_BYTES:
                reason = problems[0] if problems else f"it holds {len(members)} files, too many or too large"
                raise DatasetError(f"{path} is not unpacked: {reason}; unpack it yourself and give the folder")
            for info in members:
                data = read_member(archive, info.filename)
                place = target / info.filename
                ensure_folder(place.parent)
                atomic_write(place, data)
    except ZIP_ERRORS as error:
        raise DatasetError(f"cannot unpack {path} ({error}): export it again") from None
    say(f"unpacked {path} to {target}")
    return target


def ensure_folder(folder: Path) -> None:
    """Make a folder, once."""
    if not folder.is_dir():
        ensure_writable_dir(folder)
