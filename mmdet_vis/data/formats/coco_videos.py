"""Which images of a COCO file are frames of one video, and in which order."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.coco import Image
from mmdet_vis.data.sources import natural_key
from mmdet_vis.errors import DatasetError

_VIDEO_KEYS = ("video_id", "video", "video_name", "seq_name")
_FRAME_KEYS = ("frame_id", "frame_index", "frame", "mot_frame_id")


def group_videos(images: list[Image], videos: Any, notes: Notes, path: Path) -> list[list[Image]]:
    """The images of each video in the order of its frames.

    A video is what the images say by ``video_id`` (CocoVID), else the folder of their names. Frames are in the order of
    ``frame_id`` where all have one, else of their names.

    Args:
        images: of the file.
        videos: its entry ``videos``, whose order counts; anything else is ignored.
        notes: of the reader.
        path: of the file.

    Raises:
        DatasetError: frames of a video have different sizes.
    """
    key = next((key for key in _VIDEO_KEYS if all(_value(image, key) is not None for image in images)), None)
    groups: dict[Hashable, list[Image]] = {}
    if key is not None:
        for entry in videos if isinstance(videos, list) else ():
            if isinstance(entry, dict) and type(entry.get("id")) in (int, str):
                groups[entry["id"]] = []
    for image in images:
        group = _value(image, key) if key is not None else image.file.rpartition("/")[0]
        groups.setdefault(group, []).append(image)
    empty = sum(not frames for frames in groups.values())
    if empty:
        notes.left_out["videos without an image"] += empty
    kept = [frames for frames in groups.values() if frames]
    if key is None:
        notes.guessed["videos, told apart by the folders of their images (no image has a video_id)"] += len(kept)
    for frames in kept:
        _sort(frames, notes)
        sizes = {(image.width, image.height): image.file for image in frames}
        if len(sizes) > 1:
            (one, two), *_ = zip(sizes.items(), list(sizes.items())[1:], strict=False)
            raise DatasetError(
                f"{path}: {one[1]} is {one[0][0]}x{one[0][1]} but {two[1]}, of the same video, {two[0][0]}x"
                f"{two[0][1]}: all frames of a video must have one size; give images of different videos a video_id"
            )
    return kept


def distinct_frames(images: list[Image], notes: Notes) -> tuple[list[Image], list[int]]:
    """The images of a video without those that list a file again, and which of them each of the images is."""
    places: dict[str, int] = {}
    frame_of = [places.setdefault(image.file, len(places)) for image in images]
    if len(places) < len(images):
        notes.guessed["images whose file is listed before (their objects are in one frame)"] += len(images) - len(
            places
        )
    first = dict(zip(reversed(frame_of), reversed(images), strict=True))
    return [first[frame] for frame in range(len(places))], frame_of


def _sort(frames: list[Image], notes: Notes) -> None:
    for key in _FRAME_KEYS:
        numbers = [image.entry.get(key) for image in frames]
        if all(type(number) is int for number in numbers) and len(set(numbers)) == len(numbers):
            frames.sort(key=lambda image: image.entry[key])
            return
        if any(number is not None for number in numbers):
            notes.guessed[f"videos whose frames have not a {key} of their own each (the order of names counts)"] += 1
    frames.sort(key=lambda image: natural_key(image.file))


def _value(image: Image, key: str) -> int | str | None:
    value = image.entry.get(key)
    return value if type(value) in (int, str) else None
