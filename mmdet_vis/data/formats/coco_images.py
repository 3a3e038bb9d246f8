"""What the images of a COCO file are called and how large they are, where the file says it for another machine."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.coco import Image
from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.json_files import write_ids_plainly
from mmdet_vis.data.formats.orientation import orientation
from mmdet_vis.data.sources import is_name
from mmdet_vis.errors import SourceError

_LOOKED_AT = 50


def tidy(content: dict[str, Any], notes: Notes) -> list[str]:
    """Write ids as whole numbers and names of images as relative paths with ``/``, in place; the names.

    Absolute paths, addresses and paths with ``..`` are of the machine on which they were written: what is below the
    folder that all share counts.
    """
    write_ids_plainly(content, notes.guessed)
    images = content.get("images")
    named = (
        [e for e in images if isinstance(e, dict) and is_name(e.get("file_name"))] if isinstance(images, list) else []
    )
    for entry in named:
        entry["file_name"] = entry["file_name"].replace("\\", "/").removeprefix("./")
    absolute = [(entry, _parts(entry["file_name"])) for entry in named if _is_absolute(entry["file_name"])]
    if absolute:
        notes.guessed["absolute file names (or with ..), of which what is below their common folder counts"] += len(
            absolute
        )
        # What the first and the last in order have in common, all have.
        first, last = (choose(path for _, path in absolute)[:-1] for choose in (min, max))
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
        for entry, path in absolute:
            entry["file_name"] = "/".join(path[shared:])
    return [entry["file_name"] for entry in named]


def _is_absolute(path: str) -> bool:
    pure = PurePosixPath(path)
    return "://" in path or pure.is_absolute() or ".." in pure.parts or bool(PureWindowsPath(path).drive)


def _parts(path: str) -> list[str]:
    parts = path.partition("://")[2] or path
    return [part for part in parts.split("/") if part not in ("", ".", "..")] or ["_"]


def upright_sizes(images: list[Image], annotations: list[Any], folder: Path | None, notes: Notes) -> list[Image]:
    """Images whose height and width change places where the file has them the wrong way round.

    The first image of each of the first sizes is looked at. Exif data is another matter; and where masks are run
    lengths, which have a size of their own, they were drawn on pictures of that size.
    """
    if folder is None or any(isinstance(_segmentation(entry), dict) for entry in annotations):
        return images
    swapped: dict[tuple[int, int], bool] = {}
    found = []
    for image in images:
        size = (image.height, image.width)
        if size not in swapped:
            swapped[size] = len(swapped) < _LOOKED_AT and size[0] != size[1] and _is_swapped(folder / image.file, size)
        found.append(replace(image, height=size[1], width=size[0]) if swapped[size] else image)
    number = sum(swapped[image.height, image.width] for image in images)
    if number:
        notes.guessed["images whose height and width have changed places (those of the files count)"] += number
    return found


def _segmentation(entry: Any) -> Any:
    return entry.get("segmentation") if isinstance(entry, dict) else None


def _is_swapped(file: Path, size: tuple[int, int]) -> bool:
    try:
        return os.path.isfile(file) and image_size(file) == size[::-1] and orientation(file) == 1
    except SourceError:
        return False
