"""COCO still images as videos of one frame, repeated if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet_vis.data.converters.builder import YtvisBuilder, check_frame_size
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, check_characters, check_runs, to_rle


def convert_coco(ann_file: str | Path, frames: int = 1, progress: bool = False) -> YtvisBuilder:
    """Turn every image of a COCO instances file into a video.

    Ids of images and categories stay; ``iscrowd`` of objects and ``exhaustive`` of images (whether all objects are
    annotated) are kept. Polygons of fewer than 3 points enclose nothing: they are ignored and counted.

    Args:
        ann_file: COCO instances JSON.
        frames: how often each image is repeated.
        progress: show a progress bar.

    Raises:
        DatasetError: the file cannot be read, or an entry is wrong.
    """
    content = load_annotations(ann_file)
    for key in ("images", "categories", "annotations"):
        if not isinstance(content.get(key), list):
            raise DatasetError(f"{ann_file} has no list '{key}': give a COCO instances file")
    builder = YtvisBuilder(f"still images of {Path(ann_file).name}")
    categories = _add_categories(builder, content["categories"], ann_file)
    sizes: dict[int, tuple[int, int]] = {}
    for position, image in enumerate(content["images"]):
        image_id, file, height, width = _fields(
            image, {"id": int, "file_name": str, "height": int, "width": int}, f"{ann_file}: image {position}"
        )
        if image_id in sizes or height <= 0 or width <= 0:
            raise DatasetError(
                f"{ann_file}: image {position} has an id that another image has, or no size: correct the file"
            )
        check_frame_size(height, width, f"{ann_file}: image {position}")
        extra = {"exhaustive": image["exhaustive"]} if "exhaustive" in image else {}
        sizes[builder.add_video([file] * frames, height, width, image_id, **extra)] = (height, width)
    for position, annotation in enumerate(with_bar(content["annotations"], "objects", shown=progress)):
        label = f"{ann_file}: annotation {position}"
        image_id, category_id = _fields(annotation, {"image_id": int, "category_id": int}, label)
        if image_id not in sizes or category_id not in categories:
            raise DatasetError(f"{label} has an image_id or category_id that does not exist: correct the file")
        segmentation = _enclosing(builder, annotation.get("segmentation"))
        mask = _mask(segmentation, *sizes[image_id], label)
        builder.add_object(image_id, category_id, [mask] * frames, int(bool(annotation.get("iscrowd", 0))))
    return builder


def _add_categories(builder: YtvisBuilder, categories: list[Any], ann_file: str | Path) -> set[int]:
    known: set[int] = set()
    names: set[str] = set()
    for position, entry in enumerate(categories):
        category_id, name = _fields(entry, {"id": int, "name": str}, f"{ann_file}: category {position}")
        if category_id in known or name in names:
            raise DatasetError(f"{ann_file}: category {position} has the id or name of another: correct the file")
        known.add(builder.category_id(name, category_id))
        names.add(name)
    return known


def _fields(entry: Any, types: dict[str, type], label: str) -> list[Any]:
    """Values of an entry's keys, checked for their types."""
    if not isinstance(entry, dict):
        raise DatasetError(f"{label} is not an object {{...}}: correct the file")
    for key, kind in types.items():
        if type(entry.get(key)) is not kind:
            what = "whole number" if kind is int else "text"
            raise DatasetError(f"{label} has {key} {entry.get(key)!r:.40}, not a {what}: correct the file")
    return [entry[key] for key in types]


def _enclosing(builder: YtvisBuilder, segmentation: Any) -> Any:
    """A segmentation without its polygons of fewer than 3 points; other kinds as they are."""
    if not isinstance(segmentation, list):
        return segmentation
    kept = [polygon for polygon in segmentation if not isinstance(polygon, list) or len(polygon) >= 6]
    if len(kept) < len(segmentation):
        builder.ignored["polygons of fewer than 3 points"] += len(segmentation) - len(kept)
    return kept


def _mask(segmentation: Any, height: int, width: int, label: str) -> RLE | None:
    try:
        rle = to_rle(segmentation, height, width)
        if rle is not None:
            check_characters([rle["counts"]])
            check_runs([rle])
    except InvalidMaskError as error:
        raise DatasetError(f"{label} has a segmentation that {error.reason}: correct the file") from None
    return rle
