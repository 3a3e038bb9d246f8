"""Masks of a track of CVAT: polygons and run lengths, and what lies between its keyframes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.cvat_frames import CvatTask
from mmdet_vis.data.formats.json_files import is_track_key
from mmdet_vis.data.formats.shapes import box_mask, ellipse_points, polygon_mask, polygon_points
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE

OUTLINES = ("polygon", "ellipse")
SHAPES = (*OUTLINES, "mask")
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
    """(position, mask) pairs of a track's polygons, ellipses and masks in frames that exist.

    CVAT writes a shape for each frame. Where a file has keyframes alone, an outline moves in a straight line from one
    to the next, and a mask stays until the next, as CVAT itself takes such a file.

    Args:
        notes: counts shapes of other kinds, shapes of deleted frames, and masks between keyframes.
        number: of the track in the file, for messages.
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
    if first.tag not in OUTLINES or second.tag not in OUTLINES:
        return shape_mask(first, size, label)
    try:
        start, end = (polygon_points(_points(shape), *size) for shape in (first, second))
    except (ValueError, DatasetError) as error:
        raise DatasetError(f"{label}: a polygon cannot be read ({error}): export the task again") from None
    start, end = _corresponding(start, end)
    return polygon_mask(start + share * (end - start), *size)


_SAMPLES = 64
"""Points at equal distances by which two outlines are compared."""


def _corresponding(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two outlines ``[N, 2]`` and ``[M, 2]`` with points that belong together, ``[K, 2]`` each.

    People draw the same outline from another corner, the other way round, or with another number of points: the second
    one begins where it is most like the first, and both get the corners of the other.
    """
    turns = [cv2.contourArea(outline.astype(np.float32), oriented=True) for outline in (first, second)]
    if turns[0] * turns[1] < 0:
        second = second[::-1]
    corners = len(first) == len(second)  # then corners belong together
    one, two = (outline if corners else _along(outline, np.arange(_SAMPLES) / _SAMPLES) for outline in (first, second))
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    # Of all ways to begin, the one with the least distance has the largest product: a correlation of the outlines.
    likeness = sum(np.fft.ifft(np.fft.fft(one[:, axis]).conj() * np.fft.fft(two[:, axis])).real for axis in range(2))
    shift = int(np.argmax(np.asarray(likeness) + 1e-9 * (np.arange(len(one)) == 0)))
    if corners:
        return first, np.roll(second, -shift, axis=0)
    nearest = np.abs(_places(second)[:-1] - shift / _SAMPLES)
    second = np.roll(second, -int(np.argmin(np.minimum(nearest, 1 - nearest))), axis=0)
    places = np.unique(np.concatenate([_places(first)[:-1], _places(second)[:-1]]))
    return _along(first, places), _along(second, places)


def _places(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far along a closed outline ``[N, 2]`` its points are, and its end: ``[N + 1]`` in [0, 1], not decreasing."""
    closed = np.concatenate([outline, outline[:1]])
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    return lengths / max(lengths[-1], 1e-9)


def _along(outline: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a closed outline ``[N, 2]`` at ``places`` ``[K]`` in [0, 1): ``[K, 2]``."""
    closed, known = np.concatenate([outline, outline[:1]]), _places(outline)
    return np.stack([np.interp(places, known, closed[:, axis]) for axis in range(2)], axis=1)


def encloses(shape: Element, notes: Notes) -> bool:
    """Whether a polygon has at least 3 points; one that has not is noted as left out."""
    if shape.tag == "polygon" and shape.get("points", "").count(";") < 2:
        notes.left_out["polygons of fewer than 3 points"] += 1
        return False
    return True


def _points(shape: Element) -> list[list[float]] | NDArray[np.float64]:
    if shape.tag == "ellipse":
        x, y, rx, ry = (float(shape.get(key, "")) for key in ("cx", "cy", "rx", "ry"))
        return ellipse_points(x, y, rx, ry, float(shape.get("rotation") or 0))
    return [[float(value) for value in point.split(",")] for point in shape.get("points", "").rstrip("; ").split(";")]


def shape_mask(shape: Element, size: tuple[int, int], label: str) -> RLE:
    """The mask of a polygon or mask in a frame of a size (height, width); ``label`` is how messages call it.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return polygon_mask(_points(shape), *size) if shape.tag in OUTLINES else _run_lengths(shape, *size)
    except (ValueError, DatasetError) as error:
        raise DatasetError(f"{label}: the {shape.tag} cannot be read ({error}): export the task again") from None


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
