"""Images with instance masks in the COCO format."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.clips.raw import decode_segmentations
from mmdet_vis.data.datasets.ytvis import OtherCategories, find_categories
from mmdet_vis.data.formats.coco import check_ids, check_lists, read_categories, read_images
from mmdet_vis.errors import ConfigError, DatasetError

MOST_REPEATS = 4
"""A class of which there is one image is not learnt by showing that image a hundred times."""

OTHERS = "*"
"""In a category map: all categories of the file that nothing else names."""


@dataclass(frozen=True)
class StillObject:
    """An annotated object: 1-based ``label``, 0 of a crowd; ``box`` ``(x, y, w, h)`` and ``area`` as in the file."""

    label: int
    box: tuple[float, float, float, float]
    area: float
    segmentation: Any

    def is_cut(self, size: tuple[int, int]) -> bool:
        """Whether its box touches the border of an image of this (height, width)."""
        x, y, width, height = self.box
        return min(x, y) < 1 or x + width > size[1] - 1 or y + height > size[0] - 1


@dataclass(frozen=True)
class Still:
    """An image. ``packed`` holds its objects as bytes: millions of small Python objects would be copied to workers."""

    file: Path
    size: tuple[int, int]
    exhaustive: bool
    packed: bytes

    def objects(self) -> list[StillObject]:
        """Its objects, those of a crowd last."""
        return [StillObject(label, tuple(box), area, mask) for label, box, area, mask in json.loads(self.packed)]


def read_stills(
    content: Mapping[str, Any], labels: Mapping[int, int], folder: Path, min_area: float, file: Path
) -> list[Still]:
    """Images with at least one object that is no crowd.

    Objects of categories without a 1-based class in ``labels`` are background; those below ``min_area`` pixels are
    regions to ignore, as crowds are.

    Raises:
        DatasetError: something is missing or wrong.
    """
    check_lists(content, file, "annotations")
    categories = read_categories(content, file)
    images = {image.id: image for image in read_images(content, file, folder)}
    by_image: defaultdict[Any, list[StillObject]] = defaultdict(list)
    for position, entry in enumerate(content["annotations"]):
        label = f"{file}: annotation {position}"
        check_ids(entry, images, categories, label)
        try:
            x, y, width, height = (float(value) for value in entry["bbox"])
            area, segmentation = float(entry["area"]), entry["segmentation"]
        except (TypeError, KeyError, ValueError, OverflowError):
            raise DatasetError(f"{label} has no bbox, area or segmentation: correct the file") from None
        number = labels.get(entry["category_id"], 0)
        if number and area > 0 and width >= 1 and height >= 1:
            number = 0 if entry.get("iscrowd", 0) or area < min_area else number
            by_image[entry["image_id"]].append(StillObject(number, (x, y, width, height), area, segmentation))
    stills = []
    for image in images.values():
        objects = sorted(by_image[image.id], key=lambda item: item.label == 0)
        if objects and objects[0].label:
            exhaustive = bool(image.entry.get("exhaustive", True))
            packed = json.dumps([(item.label, item.box, item.area, item.segmentation) for item in objects]).encode()
            stills.append(Still(folder / image.file, (image.height, image.width), exhaustive, packed))
    if not stills:
        raise DatasetError(f"{file} has no object of the model's categories: check 'categories' and 'category_map'")
    return stills


def repeats(stills: Sequence[Still], threshold: float) -> NDArray[np.int64]:
    """How often each image comes in an epoch (LVIS, appendix B.2, rounded): ``[N]`` int64 from 1 to 4.

    That is the largest ``sqrt(threshold / f)`` of its classes, f being the share of all images that hold the class.
    """
    labels = [{item.label for item in still.objects() if item.label} for still in stills]
    counts = Counter(label for found in labels for label in found)
    factors = {label: (threshold * len(stills) / count) ** 0.5 for label, count in counts.items()}
    return np.array([round(max(factors[label] for label in found)) for found in labels], np.int64).clip(1, MOST_REPEATS)


def decode_objects(still: Still, objects: Sequence[StillObject]) -> NDArray[np.uint8]:
    """Masks of objects of an image: ``[N, h, w]`` uint8.

    Raises:
        BrokenSampleError: one of them is broken.
    """
    return decode_segmentations((("an object", item.segmentation) for item in objects), still.size, still.file)


def map_categories(
    known: Mapping[int, str],
    categories: str | Sequence[str] | None,
    category_map: Mapping[str, Sequence[str]] | None,
    file: Path,
    annotations: Any = None,
    others: OtherCategories = "ignore",
) -> tuple[tuple[str, ...], dict[int, int]]:
    """The model's classes, and the class of each category id of the file.

    Args:
        known: the file's categories by id.
        categories: the model's classes, or the name of a benchmark; None: the keys of ``category_map``, or the file's.
        category_map: names in the file of each class of the model, :data:`OTHERS` for all that are not named. None:
            classes are found in the file by name.
        annotations, others: without a map, see :func:`~mmdet_vis.data.datasets.ytvis.find_categories`.

    Returns:
        names, and 1-based classes by category id; what belongs to no class is not in it.

    Raises:
        DatasetError: two categories of the file have one name, or none is among the classes.
        ConfigError: the map names a class or category that does not exist, or one of them twice.
    """
    ids = {name: number for number, name in known.items()}
    names = tuple(category_map or known.values()) if categories is None else resolve_categories(categories)
    if category_map is None:
        found = tuple(known) if categories is None else find_categories(names, known, file, annotations, others)
        return names, {number: label for label, number in enumerate(found, 1) if number is not None}
    if len(ids) < len(known):
        raise DatasetError(f"{file}: two categories have the same name: names must be unique")
    label_of: dict[str, int] = {}
    for name, members in category_map.items():
        if name not in names:
            raise ConfigError(f"category_map: {name!r} is not among the categories {', '.join(names)}")
        for member in [members] if isinstance(members, str) else members:
            if member != OTHERS and member not in ids:
                raise ConfigError(f"category_map: {member!r} of {name!r} is not a category of {file}")
            if label_of.setdefault(member, names.index(name) + 1) != names.index(name) + 1:
                raise ConfigError(f"category_map: {member!r} belongs to two classes")
    rest = label_of.pop(OTHERS, None)
    labels = {ids[member]: label for member, label in label_of.items()}
    if rest is not None:
        labels |= {key: rest for key in ids.values() if key not in labels}
    return names, labels
