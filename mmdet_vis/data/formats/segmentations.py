"""Masks of JSON files as programs and people write them, brought into the forms that the formats know."""

from __future__ import annotations

from typing import Any

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.structures.rle import is_flat_polygon


def plain_segmentation(value: Any, notes: Notes) -> Any:
    """A segmentation as COCO has it; what is none stays as it is.

    Polygons of fewer than 3 points enclose nothing and are left out. Taken for what they mean are one flat polygon,
    polygons that are lists of points, and run lengths that a program wrote as the text of Python's bytes
    (``"b'...'"``) or as real numbers.
    """
    if isinstance(value, dict):
        if not value:
            return None  # as [] is
        return _plain_runs(value, notes)
    if not isinstance(value, list) or not value:
        return value
    if is_flat_polygon(value):
        notes.guessed["masks that are one flat polygon (taken as [polygon])"] += 1
        value = [value]
    value = [value] if _is_points(value) else value
    points = [place for place, polygon in enumerate(value) if _is_points(polygon)]
    if points:
        notes.guessed["polygons that are lists of points [x, y]"] += len(points)
        value = [[n for point in polygon for n in point] if place in points else polygon
                 for place, polygon in enumerate(value)]  # fmt: skip
    kept = [polygon for polygon in value if not isinstance(polygon, list) or len(polygon) >= 6]
    if len(kept) < len(value):
        notes.left_out["polygons of fewer than 3 points"] += len(value) - len(kept)
    if shares := sum(_is_within_one(polygon) for polygon in kept):
        what = "polygons from 0 to 1, less than a pixel (parts of the size? multiply by width, height)"
        notes.guessed[what] += shares
    return kept


def _is_within_one(polygon: Any) -> bool:
    return isinstance(polygon, list) and all(isinstance(n, int | float) and 0 <= n <= 1 for n in polygon)


def plain_segmentations(content: dict[str, Any], notes: Notes) -> None:
    """The same for all objects of a YouTube-VIS file, in place."""
    objects = content.get("annotations")
    for entry in objects if isinstance(objects, list) else ():
        masks = entry.get("segmentations") if isinstance(entry, dict) else None
        if isinstance(masks, list):
            entry["segmentations"] = [mask if mask is None else plain_segmentation(mask, notes) for mask in masks]


def _plain_runs(value: dict[str, Any], notes: Notes) -> dict[str, Any]:
    counts, size = value.get("counts"), value.get("size")
    changed: dict[str, Any] = {}
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"') and counts[-1] == counts[1]:
        notes.guessed["masks whose runs are the text of Python's bytes (b'...')"] += 1
        changed["counts"] = counts[2:-1].replace("\\\\", "\\")  # no run has a quotation mark in it
    for key, numbers in (("counts", counts), ("size", size)):
        if isinstance(numbers, list) and any(type(n) is float and n.is_integer() for n in numbers):
            notes.guessed[f"masks whose {key} are real numbers"] += 1
            changed[key] = [int(n) if type(n) is float and n.is_integer() else n for n in numbers]
    return {**value, **changed} if changed else value


def _is_points(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 2
        and all(isinstance(point, list) and len(point) == 2 and not isinstance(point[0], list) for point in value)
    )
