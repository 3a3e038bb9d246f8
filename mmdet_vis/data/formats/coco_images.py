"""What the images of a COCO file are called and how large they are, where the file says it for another machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.coco import Image
from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.json_files import write_ids_plainly
from mmdet_vis.data.sources import is_inside, is_name
from mmdet_vis.data.sources.orientation import file_orientation
from mmdet_vis.errors import SourceError

_LOOKED_AT = 50


def tidy(content: dict[str, Any], notes: Notes) -> list[str]:
    """Write ids as whole numbers and names of images as relative paths with ``/``, in place; the names.

    Absolute paths, addresses and paths with ``..`` are of the machine on which they were written: what is below the
    folder that all share counts.
    """
    write_ids_plainly(content, notes.guessed)
    images = content.get("images")
    entries = images if isinstance(images, list) else []
    named = [e for e in entries if isinstance(e, dict) and is_name(e.get("file_name"))]
    for entry in named:
        entry["file_name"] = entry["file_name"].replace("\\", "/").removeprefix("./")
    for entry, name in zip(named, relative_names([entry["file_name"] for entry in named], notes), strict=True):
        entry["file_name"] = name
    return [entry["file_name"] for entry in named]


def relative_names(names: Sequence[str], notes: Notes, kept: int = 0) -> list[str]:
    """Names of images with ``/``, of those that are absolute or have ``..`` what is below the folder that these share.

    So many folders around each image as ``kept`` says stay, even if all share them.
    """
    absolute = {name: _parts(name) for name in names if is_absolute(name) or ".." in PurePosixPath(name).parts}
    if not absolute:
        return list(names)
    number = sum(name in absolute for name in names)
    notes.guessed["absolute file names (or with ..), of which what is below their common folder counts"] += number
    # What the first and the last in order have in common, all have.
    first, last = (choose(path[: -1 - kept] for path in absolute.values()) for choose in (min, max))
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    return ["/".join(absolute[name][shared:]) if name in absolute else name for name in names]


def is_absolute(path: str) -> bool:
    """Whether a name with ``/`` is an address, or a whole path of any system."""
    return "://" in path or PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive)


def _parts(path: str) -> list[str]:
    address = path.partition("://")[2]
    parts = unquote(address.partition("?")[0].partition("#")[0]) or path
    return [part for part in parts.split("/") if part not in ("", ".", "..")] or ["_"]


def upright_sizes(images: list[Image], annotations: list[Any], folder: Path | None, notes: Notes) -> list[Image]:
    """Images whose height and width change places where the file has them the wrong way round.

    The first image of each of the first sizes is looked at. Exif data is another matter; and where masks are run
    lengths, which have a size of their own, they were drawn on pictures of that size.
    """
    drawn = (entry.get("segmentation") for entry in annotations if isinstance(entry, dict))
    if folder is None or any(isinstance(mask, dict) for mask in drawn):
        return images
    swapped: dict[tuple[int, int], bool] = {}
    found = []
    for image in images:
        size = (image.height, image.width)
        if size not in swapped:
            swapped[size] = len(swapped) < _LOOKED_AT and _is_swapped(folder / image.file, size)
        found.append(replace(image, height=size[1], width=size[0]) if swapped[size] else image)
    number = sum(swapped[image.height, image.width] for image in images)
    if number:
        notes.guessed["images whose height and width have changed places (those of the files count)"] += number
    return found


def upright_videos(content: dict[str, Any], folder: Path | None, notes: Notes) -> None:
    """The same for the videos of a YouTube-VIS file, in place; those with run lengths among their masks stay."""
    objects = content.get("annotations")
    items = [e for e in objects if isinstance(e, dict)] if isinstance(objects, list) else []
    drawn = {id_ for e in items if _has_runs(e.get("segmentations")) and isinstance(id_ := e.get("video_id"), int)}
    swapped = set()
    for entry in content["videos"][:_LOOKED_AT]:
        if folder is None or not isinstance(entry, dict):
            continue
        values: Any = map(entry.get, ("id", "height", "width", "file_names"))
        number, height, width, names = values
        if not all(type(value) is int for value in (number, height, width)) or not isinstance(names, list):
            continue
        first = names[0] if names and is_name(names[0]) and is_inside(names[0]) else None
        if first is not None and number not in drawn and _is_swapped(folder / first, (height, width)):
            swapped.add(number)
            entry["height"], entry["width"] = width, height
    if swapped:
        notes.guessed["videos whose height and width have changed places (those of the files count)"] += len(swapped)
    for item in items:
        if type(item.get("video_id")) is int and item["video_id"] in swapped and {"height", "width"} <= item.keys():
            item["height"], item["width"] = item["width"], item["height"]


def _has_runs(masks: Any) -> bool:
    return isinstance(masks, list) and any(isinstance(mask, dict) for mask in masks)


def _is_swapped(file: Path, size: tuple[int, ...]) -> bool:
    try:
        if size[0] == size[1] or not os.path.isfile(file):
            return False
        return image_size(file) == size[::-1] and file_orientation(file) == 1
    except SourceError:
        return False
