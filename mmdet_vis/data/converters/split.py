"""Splitting COCO stills into a training file and held-out images, merged into the classes of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from mmdet_vis.data.clips.stills import map_categories
from mmdet_vis.data.formats.coco import read_categories
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.errors import DatasetError


def split_stills(
    ann_file: str | Path,
    held_out: int,
    categories: Sequence[str],
    category_map: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Divide a COCO instances file into images to train on and images to measure on.

    Held out are images spread evenly over those whose objects are all annotated (``exhaustive``, true unless the file
    says otherwise), in the order of their ids: the split depends on the file alone, not on chance.

    Args:
        ann_file: COCO instances JSON.
        held_out: number of images to measure on, at least 1.
        categories: C classes of the model.
        category_map: for each class its names in the file, see :class:`~mmdet_vis.data.clips.StillClips`.

    Returns:
        the content of three COCO files: images to train on with all objects annotated, and with some of them, both with
        the file's own categories; and the held-out images with the model's classes as categories 1 to C, objects of no
        class left out.

    Raises:
        DatasetError: the file cannot be read or has too few images with all objects annotated.
        ConfigError: the map names a class or category that does not exist, or one of them twice.
    """
    content, file = load_annotations(ann_file), Path(ann_file)
    names, labels = map_categories(read_categories(content, file), categories, category_map, file)
    try:
        known = {i["id"] for i in content["images"]}
        whole = sorted(i["id"] for i in content["images"] if i.get("exhaustive", True))
        annotations = [(entry["image_id"], entry["category_id"], entry) for entry in content["annotations"]]
        hash(tuple((image, category) for image, category, _ in annotations))
    except (KeyError, TypeError, AttributeError):
        raise DatasetError(
            f"{ann_file} lacks 'images' or 'annotations', or one of them an id: give a COCO instances file"
        ) from None
    if not 0 < held_out < len(whole):
        raise DatasetError(
            f"{ann_file} has {len(whole)} images with all objects annotated: hold out at least 1 and fewer than that"
        )
    chosen = {whole[int((position + 0.5) * len(whole) / held_out)] for position in range(held_out)}
    fully = set(whole) - chosen
    training = _part(content, fully)
    partial = _part(content, known - fully - chosen)
    measuring = {
        "images": [i for i in content["images"] if i["id"] in chosen],
        "annotations": [
            {**entry, "category_id": labels[category]}
            for image, category, entry in annotations
            if image in chosen and category in labels
        ],
        "categories": [{"id": label, "name": name} for label, name in enumerate(names, 1)],
    }
    return training, partial, measuring


def _part(content: Mapping[str, Any], ids: Set[Any]) -> dict[str, Any]:
    """The images with these ids and their objects."""
    return {
        **content,
        "images": [entry for entry in content["images"] if entry["id"] in ids],
        "annotations": [entry for entry in content["annotations"] if entry["image_id"] in ids],
    }
