"""The entries of a COCO instances file, checked alike for conversion, for checking and for training."""

from __future__ import annotations

import os
from collections.abc import Container, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.json_files import fields
from mmdet_vis.data.formats.shapes import check_frame_size
from mmdet_vis.data.sources import is_inside, is_name
from mmdet_vis.errors import DatasetError


@dataclass(frozen=True)
class Image:
    """An entry of ``images`` that was checked; ``file`` has ``/`` between folders."""

    id: Hashable
    file: str
    height: int
    width: int
    entry: dict[str, Any]

    @property
    def video(self) -> str:
        """The folder that it lies in, or its name without ending."""
        return self.file.rpartition("/")[0] or self.file.rpartition(".")[0] or self.file


def check_lists(content: Mapping[str, Any], path: Path, *keys: str) -> None:
    """Refuse a file without one of these lists.

    Raises:
        DatasetError: one is missing.
    """
    for key in keys:
        if not isinstance(content.get(key), list):
            raise DatasetError(f"{path} has no list '{key}': give a COCO file with instances")


def read_categories(content: Mapping[str, Any], path: Path) -> dict[int, str]:
    """The names of a file's ``categories`` by their ids, in the order of the file.

    Raises:
        DatasetError: there is no list of them, or one of them has no id and name of its own.
    """
    check_lists(content, path, "categories")
    known: dict[int, str] = {}
    for position, entry in enumerate(content["categories"]):
        number, name = fields(entry, {"id": int, "name": str}, f"{path}: category {position}")
        if number in known or name in known.values():
            raise DatasetError(f"{path}: category {position} has the id or name of another: correct the file")
        known[number] = name
    return known


def read_images(content: Mapping[str, Any], path: Path, folder: Path | None = None) -> Iterator[Image]:
    """The ``images`` of a file; sizes that it lacks are those of the images in ``folder``.

    Raises:
        DatasetError: there is no list of them, or one has no id of its own, no usable name, or no size.
    """
    check_lists(content, path, "images")
    known: set[Hashable] = set()
    for position, entry in enumerate(content["images"]):
        label = f"{path}: image {position}"
        fields(entry, {"file_name": str}, label)
        number = entry.get("id")
        if type(number) not in (int, str) or number in known:
            raise DatasetError(f"{label} has id {number!r:.40}, none or one that another image has: correct the file")
        known.add(number)
        file = entry["file_name"].replace("\\", "/")
        if not is_name(file) or not is_inside(file):
            raise DatasetError(f"{label} has file_name {file!r:.60}, no path below the image folder: correct the file")
        height, width = entry.get("height"), entry.get("width")
        if (not height or not width) and folder is not None and os.path.isfile(folder / file):
            height, width = image_size(folder / file)
        if type(height) is not int or type(width) is not int or height <= 0 or width <= 0:
            raise DatasetError(f"{label} has no height and width: correct the file, or give the folder of the images")
        check_frame_size(height, width, label)
        yield Image(number, file, height, width, entry)


def check_ids(annotation: Any, images: Container[Hashable], categories: Container[int], label: str) -> None:
    """Check what an entry of ``annotations``, which messages call ``label``, belongs to.

    Raises:
        DatasetError: it is no object, or no image or category has its ids.
    """
    fields(annotation, {"category_id": int}, label)
    image = annotation.get("image_id")
    if not isinstance(image, Hashable) or image not in images or annotation["category_id"] not in categories:
        raise DatasetError(f"{label} has an image_id or category_id that does not exist: correct the file")
