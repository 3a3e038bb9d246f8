"""Pictures that labelme keeps within its JSON files (``imageData``)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES, read_header
from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir


def image_name(content: Mapping[str, Any]) -> str:
    """Name of the annotated image without its folder, which may be written for Windows."""
    return PureWindowsPath(content["imagePath"]).name


def picture_within(content: Mapping[str, Any]) -> tuple[bytes, tuple[int | None, int | None]]:
    """The picture that a labelme file holds, and its height and width; those are None where it holds none."""
    try:
        data = base64.b64decode(content["imageData"])
    except (KeyError, TypeError, ValueError):
        return b"", (None, None)
    return data, read_header(data).size or (None, None)


def take_pictures_out(
    found: AnnotatedVideos, contents: Mapping[Path, Mapping[str, Any]], images: Sequence[str], folder: Path
) -> int:
    """Write pictures that are in JSON files alone where labelme looks for them; return how many.

    Nothing is replaced: what has one of the ``images`` of its name, or of the JSON file's, stays.
    """
    known = {name.casefold() for name in images} | {PurePosixPath(name).stem.casefold() for name in images}
    written = 0
    for file, content in contents.items():
        name = image_name(content)
        if name.casefold() in known or file.stem.casefold() in known:
            continue
        data, size = picture_within(content)
        if None in size:
            continue
        place = folder / (name if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES else f"{file.stem}.png")
        try:
            ensure_writable_dir(folder)
            atomic_write(place, data)
        except OutputError:
            found.notes.left_out["pictures within their JSON files, since their folder cannot be written to"] += 1
            continue
        known |= {place.name.casefold(), place.stem.casefold()}
        written += 1
    if written:
        found.notes.facts["pictures that were in their JSON files alone (written beside them)"] += written
    return written
