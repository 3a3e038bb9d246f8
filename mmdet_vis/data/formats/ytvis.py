"""The annotation file of a YouTube-VIS style dataset, checked and indexed for the evaluation."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.json_files import fields
from mmdet_vis.data.formats.shapes import check_frame_size
from mmdet_vis.data.sources import is_inside, is_name
from mmdet_vis.data.sources.image_files import MAX_IMAGE_PIXELS
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, areas
from mmdet_vis.structures.rle import InvalidMaskError, check_characters, check_runs, to_rles


@dataclass(frozen=True)
class Video:
    """A video of the dataset.

    Attributes:
        height, width: in pixels.
        length: in frames.
        annotated: ``[length]`` bool, False for frames that nobody annotated, in which the masks of objects and
            predictions say nothing; None: all frames are annotated.
    """

    id: int
    name: str
    height: int
    width: int
    length: int
    annotated: NDArray[np.bool_] | None = None

    def in_annotated(self, masks: list[RLE | None]) -> list[RLE | None]:
        """The masks of ``length`` frames, None in those that nobody annotated."""
        if self.annotated is None:
            return masks
        return [mask if known else None for mask, known in zip(masks, self.annotated.tolist(), strict=True)]


@dataclass(frozen=True)
class MaskSequence:
    """The masks of one object.

    Attributes:
        rles: T checked RLEs, ``None`` where the object is not visible.
        areas: ``[T]`` int64, pixels.
        average_area: mean of ``areas`` over the frames in which the object is visible; 0 if there are none.
    """

    rles: list[RLE | None]
    areas: NDArray[np.int64]
    average_area: float


@dataclass(frozen=True)
class GroundTruth:
    """An annotated object.

    Attributes:
        masks: its masks at the video's size.
        crowd: a group of objects; predictions on it are neither right nor wrong.
        average_area: in pixels; decides on its size range.
    """

    id: int
    category_id: int
    masks: MaskSequence
    crowd: bool
    average_area: float


@dataclass
class Annotations:
    """Videos and categories by id, and the objects by (video id, category id) in the order of the file."""

    name: str
    videos: dict[int, Video]
    categories: dict[int, str]
    objects: dict[tuple[int, int], list[GroundTruth]] = field(default_factory=dict)


def index_annotations(annotations: Mapping[str, Any], name: str = "annotations") -> Annotations:
    """Check an annotation file's contents and index them.

    Args:
        annotations: dict with the lists ``videos``, ``categories`` and ``annotations`` of the YouTube-VIS format.
        name: what error messages call it, best the file's name.

    Raises:
        DatasetError: if something is missing, has the wrong type or contradicts itself.
    """
    index = index_videos(annotations, name)
    objects = annotations.get("annotations")
    if not isinstance(objects, list):
        raise DatasetError(
            f"{name} has no list 'annotations': metrics need a file with ground truth; results for a server's "
            "hidden ground truth can only be checked and uploaded"
        )
    by_video: defaultdict[int, list[tuple[str, dict[str, Any], list[RLE | None]]]] = defaultdict(list)
    for position, annotation in enumerate(objects):
        label = f"{name}: annotation {position}"
        by_video[check_ids(annotation, index, label)].append(
            (label, annotation, _read_masks(annotation, index.videos[annotation["video_id"]], label))
        )
    for video_id, items in by_video.items():
        try:
            sequences = measure_masks([rles for _, _, rles in items], index.videos[video_id])
            check_sequences([masks.rles for masks in sequences])
        except InvalidMaskError as error:
            raise DatasetError(f"{items[error.index][0]} {error.reason}: correct the file") from None
        for (label, annotation, _), masks in zip(items, sequences, strict=True):
            if index.videos[video_id].annotated is not None and not masks.average_area:
                continue  # Whatever it is, nobody looked where it is visible.
            key = (video_id, annotation["category_id"])
            index.objects.setdefault(key, []).append(_ground_truth(annotation, masks, label))
    return index


def index_videos(annotations: Mapping[str, Any], name: str = "annotations") -> Annotations:
    """As :func:`index_annotations`, but without the objects: the file may lack ground truth."""
    if isinstance(annotations, str | os.PathLike):
        raise DatasetError(f"{name} is a path: give what load_annotations returns of it")
    if not isinstance(annotations, Mapping):
        raise DatasetError(f"{name} is not a YouTube-VIS annotation file: its top level must be an object {{...}}")
    for key in ("videos", "categories"):
        if not isinstance(annotations.get(key), list) or not annotations[key]:
            raise DatasetError(f"{name} has no list '{key}' (or an empty one): give a YouTube-VIS annotation file")
    videos = {}
    for position, entry in enumerate(annotations["videos"]):
        video = read_video(entry, f"{name}: video {position}")
        if video.id in videos:
            raise DatasetError(f"{name}: two videos have id {video.id}: ids must be unique")
        videos[video.id] = video
    categories = {}
    for position, entry in enumerate(annotations["categories"]):
        (number,) = fields(entry, {"id": int}, f"{name}: category {position}")
        if number in categories:
            raise DatasetError(f"{name}: two categories have id {number}: ids must be unique")
        categories[entry["id"]] = str(entry.get("name", entry["id"]))
    return Annotations(name, videos, categories)


def is_id(value: Any, known: Container[int]) -> bool:
    """Whether a value of a JSON file is one of the known ids (2.0 and true are not)."""
    return type(value) is int and value in known


def read_video(entry: Any, label: str) -> Video:
    """A checked entry of ``videos``, which messages call ``label``.

    Raises:
        DatasetError: a number is missing or wrong, or frames would have too many pixels.
    """
    if not isinstance(entry, dict):
        raise DatasetError(f"{label} is not an object {{...}}: correct the file")
    names = entry.get("file_names")
    length = entry.get("length", len(names) if isinstance(names, list) else None)
    numbers: dict[str, Any] = {**{key: entry.get(key) for key in ("id", "height", "width")}, "length": length}
    for key, value in numbers.items():
        if type(value) is not int or (key != "id" and value <= 0):
            raise DatasetError(f"{label} has {key} {value!r:.40}, not a positive whole number: correct the file")
    check_frame_size(numbers["height"], numbers["width"], label)
    first = str(names[0] if isinstance(names, list) and names else entry["id"]).replace("\\", "/")
    known = _annotated(entry, numbers["length"], label)
    return Video(name=first.rpartition("/")[0] or first, annotated=known, **numbers)


def _annotated(entry: dict[str, Any], length: int, label: str) -> NDArray[np.bool_] | None:
    """Which of the frames somebody annotated, by the positions from 0 in ``annotated_frames``."""
    frames = entry.get("annotated_frames")
    if frames is None:
        return None
    if not isinstance(frames, list) or not all(type(frame) is int and 0 <= frame < length for frame in frames):
        raise DatasetError(f"{label} has annotated_frames that are not positions of its {length} frames from 0: fix it")
    known = np.zeros(length, bool)
    known[np.array(frames, np.int64)] = True
    return None if known.all() else known


def frame_files(entry: dict[str, Any], label: str) -> list[str]:
    """Frame files of an entry of ``videos`` whose numbers are checked, with ``/`` also where Windows wrote them.

    Raises:
        DatasetError: they are missing, not as many as its ``length``, or lead out of the image folder.
    """
    names = entry.get("file_names")
    if not isinstance(names, list) or not names or not all(map(is_name, names)):
        raise DatasetError(f"{label} has no list 'file_names' with the names of its frames: correct the file")
    names = [name.replace("\\", "/") for name in names]
    for name in names:
        if not is_inside(name):
            raise DatasetError(
                f"{label} has {name!r:.60} among its file_names, which is no path below the image folder: correct the "
                "file, or make the folder (a link to) the one that all names are below"
            )
    if entry.get("length", len(names)) != len(names):
        raise DatasetError(f"{label} has length {entry['length']} but {len(names)} file_names: correct the file")
    return names


def check_ids(annotation: Any, index: Annotations, label: str) -> int:
    """The video id of an entry of ``annotations``; ``label`` is what messages call it.

    Raises:
        DatasetError: it is no object, or no video or category has its ids.
    """
    if not isinstance(annotation, dict):
        raise DatasetError(f"{label} is not an object {{...}}: correct the file")
    for kind, known in (("video", index.videos), ("category", index.categories)):
        number = annotation.get(f"{kind}_id")
        if not is_id(number, known):
            raise DatasetError(f"{label} has {kind}_id {number!r:.40}, which no {kind} has: correct the file")
    return annotation["video_id"]


def _read_masks(annotation: dict[str, Any], video: Video, label: str) -> list[RLE | None]:
    segmentations = annotation.get("segmentations")
    if not isinstance(segmentations, list) or len(segmentations) != video.length:
        number = len(segmentations) if isinstance(segmentations, list) else "no list of"
        raise DatasetError(
            f"{label} has {number} segmentations, video {video.id} has {video.length} frames: correct the file"
        )
    try:
        return video.in_annotated(to_rles(segmentations, video.height, video.width))
    except InvalidMaskError as error:
        raise DatasetError(f"{label} {error.reason}: correct the file") from None


def _ground_truth(annotation: dict[str, Any], masks: MaskSequence, label: str) -> GroundTruth:
    average, stated = masks.average_area, annotation.get("areas")
    if isinstance(stated, list):  # which the official evaluator takes; they need not be those of the masks
        shown = [area for area in stated if area]
        if not all(isinstance(area, (int, float)) and abs(area) <= MAX_IMAGE_PIXELS for area in shown):
            raise DatasetError(f"{label} has areas that are not numbers of pixels: correct the file")
        average = float(np.mean(shown)) if shown else 0.0
    crowd = bool(annotation.get("iscrowd", 0))
    return GroundTruth(annotation.get("id", -1), annotation["category_id"], masks, crowd, average)


def measure_masks(sequences: Sequence[list[RLE | None]], video: Video) -> list[MaskSequence]:
    """Areas of many sequences of one video at once.

    Raises:
        InvalidMaskError: for a mask that cannot be parsed; ``index`` is the position of its sequence.
    """
    flat = list(chain.from_iterable(sequences))
    places = [n for n, rle in enumerate(flat) if rle is not None]
    present = [rle for rle in flat if rle is not None]
    sizes = np.zeros(len(flat), np.int64)
    try:
        check_characters([rle["counts"] for rle in present])
    except InvalidMaskError as error:
        n, frame = divmod(places[error.index], video.length)
        raise InvalidMaskError(n, f"has a mask for frame {frame} that {error.reason}") from None
    sizes[places] = areas(present)
    if sizes.max(initial=0) > video.height * video.width:
        n, frame = divmod(int(sizes.argmax()), video.length)
        raise InvalidMaskError(n, f"has a mask for frame {frame} with more pixels than the frame")
    rows = sizes.reshape(len(sequences), video.length)
    averages = rows.sum(axis=1) / np.maximum(np.count_nonzero(rows, axis=1), 1)
    return [MaskSequence(*columns) for columns in zip(sequences, rows, averages.tolist(), strict=True)]


def check_sequences(sequences: Sequence[Sequence[RLE | None]], first_frame: int = 0) -> None:
    """Check that the runs of measured masks of one size fill their frames, which begin with number ``first_frame``.

    Raises:
        InvalidMaskError: for the first mask whose runs do not; ``index`` is the position of its sequence.
    """
    try:
        check_runs([rle for rles in sequences for rle in rles if rle is not None])
    except InvalidMaskError as error:
        places = [(n, t) for n, rles in enumerate(sequences) for t, rle in enumerate(rles) if rle is not None]
        n, t = places[error.index]
        raise InvalidMaskError(n, f"has a mask for frame {first_frame + t} that {error.reason}") from None
