"""Masks of a track of CVAT: polygons and run lengths, and what lies between its keyframes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.cvat_frames import CvatTask
from mmdet_vis.data.formats.json_files import is_track_key
from mmdet_vis.data.formats.shapes import box_mask, polygon_mask, polygon_points
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE

SHAPES = ("polygon", "mask")
"""Elements that outline an object."""


BY_ATTRIBUTE = "objects made of what has one track_id or id among its attributes"
"""What is guessed of tracks or shapes that no group links."""


def linked(element: Element) -> str | None:
    """What says that tracks or shapes of one label are one object: their group, or an attribute like ``track_id``."""
    group = element.get("group_id")
    if group not in (None, "", "0"):
        return f"group {group}"
    for attribute in element.iter("attribute"):
        name, text = attribute.get("name") or "", (attribute.text or "").strip()
        if text and (is_track_key(name) or name.casefold() == "id"):
            return f"id {text}"
    return None


def track_masks(
    notes: Notes, track: Element, number: int, task: CvatTask, places: dict[int, int], size: tuple[int, int]
) -> Iterator[tuple[int, RLE]]:
    """(position, mask) pairs of a track's polygons and masks in frames that exist.

    CVAT writes a shape for each frame. Where a file has keyframes alone, a polygon moves in a straight line from one to
    the next, and what is no polygon stays until the next, as CVAT itself takes such a file.

    Args:
        notes: counts shapes of other kinds, shapes of deleted frames, and masks between keyframes.
        track: the element.
        number: of the track in the file, for messages.
        task: that it belongs to.
        places: positions of the frames that exist, by their index in the task.
        size: (height, width) of the frames.

    Raises:
        DatasetError: a shape cannot be read or is in no frame of the task.
    """
    shapes = [(task.index(shape.get("frame", "")), shape) for shape in track if shape.tag in SHAPES]
    shapes = [(index, shape) for index, shape in shapes if encloses(shape, notes)]
    others = Counter(shape.tag for shape in track if shape.tag not in (*SHAPES, "attribute"))
    for tag, number in others.items() if shapes else ():
        notes.left_out[f"{tag} shapes in tracks of polygons or masks"] += number
    if others and not shapes:
        notes.left_out[f"{min(others)} tracks"] += 1
    shapes.sort(key=lambda item: item[0])
    between = 0
    only_keyframes = all(shape.get("keyframe") == "1" for _, shape in shapes)
    gap = False
    for place, (index, shape) in enumerate(shapes):
        if shape.get("outside") == "1":
            continue
        label = f"{task.file}: track {track.get('id', number)}, frame {index}"
        mask = shape_mask(shape, size, label)
        if index in places:
            yield places[index], mask
        else:
            notes.left_out["masks in frames without an image"] += 1
        if not only_keyframes:
            continue
        following = shapes[place + 1] if place + 1 < len(shapes) else None
        if following is None and not gap:
            continue
        stop = task.length if following is None else following[0]
        for frame in range(index + 1, stop):
            gap = True
            if frame not in places:
                continue
            between += 1
            share = (frame - index) / (stop - index)
            moved = following is not None and following[1].get("outside") != "1"
            yield places[frame], _between(shape, following[1], share, size, label) if moved and following else mask
    if between:
        notes.guessed["masks between keyframes (polygons move in a straight line, masks stay)"] += between


def _between(first: Element, second: Element, share: float, size: tuple[int, int], label: str) -> RLE:
    """The mask at a ``share`` in (0, 1) of the way from one keyframe to the next."""
    if first.tag != "polygon" or second.tag != "polygon":
        return shape_mask(first, size, label)
    try:
        start, end = (polygon_points(_points(shape), *size) for shape in (first, second))
    except (ValueError, DatasetError) as error:
        raise DatasetError(f"{label}: a polygon cannot be read ({error}): export the task again") from None
    if len(start) != len(end):
        number = max(len(start), len(end))
        start, end = _resample(start, number), _resample(end, number)
    return polygon_mask(start + share * (end - start), *size)


def _resample(points: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """Points at equal distances on a closed outline ``[N, 2]``, from its first point on: ``[number, 2]``."""
    closed = np.concatenate([points, points[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    wanted = np.linspace(0, lengths[-1], number, endpoint=False)
    return np.stack([np.interp(wanted, lengths, closed[:, axis]) for axis in range(2)], axis=1)


def encloses(shape: Element, notes: Notes) -> bool:
    """Whether a polygon has at least 3 points; one that has not is noted as left out."""
    if shape.tag == "polygon" and shape.get("points", "").count(";") < 2:
        notes.left_out["polygons of fewer than 3 points"] += 1
        return False
    return True


def _points(shape: Element) -> list[list[float]]:
    return [[float(value) for value in point.split(",")] for point in shape.get("points", "").rstrip("; ").split(";")]


def shape_mask(shape: Element, size: tuple[int, int], label: str) -> RLE:
    """The mask of a polygon or mask in a frame of a size (height, width); ``label`` is how messages call it.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return polygon_mask(_points(shape), *size) if shape.tag == "polygon" else _run_lengths(shape, *size)
    except (ValueError, DatasetError) as error:
        raise DatasetError(f"{label}: a {shape.tag} cannot be read ({error}): export the task again") from None


def _run_lengths(shape: Element, height: int, width: int) -> RLE:
    """The mask of CVAT's run lengths: row by row within a box, beginning with background.

    Raises:
        ValueError: the runs do not fill the box, or the box is not inside the frame.
    """
    left, top, columns, rows = (int(shape.get(key, "")) for key in ("left", "top", "width", "height"))
    runs = [int(run) for run in shape.get("rle", "").split(",")]
    if min(left, top) < 0 or min(columns, rows) < 1 or left + columns > width or top + rows > height:
        raise ValueError("its box is not inside the frame")
    if min(runs) < 0 or sum(runs) != columns * rows:
        raise ValueError("its runs do not fill its box")
    pixels = np.repeat(np.arange(len(runs)) % 2, runs).reshape(rows, columns).astype(np.uint8)
    return box_mask(pixels, left, top, height, width)
