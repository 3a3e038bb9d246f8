"""Which images of a COCO file are frames of one video, and in which order."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.coco import Image
from mmdet_vis.data.sources import natural_key
from mmdet_vis.errors import DatasetError

_VIDEO_KEYS = (
    *("video_id", "video", "video_name", "seq_name", "sequence_id", "sequence", "sequence_name", "seq_id", "seq"),
    *("clip_id", "clip"),
)
_FRAME_KEYS = ("frame_id", "frame_index", "frame", "mot_frame_id")


def group_videos(images: list[Image], videos: Any, notes: Notes, path: Path) -> list[list[Image]]:
    """The images of each video in the order of its frames.

    A video is what the images say by ``video_id`` (CocoVID) or ``sequence``, else the folder of their names; in one
    folder, names that differ before their number (``clipA-0001.jpg``, ``clipB-0001.jpg``) are of several videos. Frames
    are in the order of ``frame_id`` where all have one, else of their names; videos in that of the entry ``videos``.

    Raises:
        DatasetError: frames of a video have different sizes.
    """
    key = next((key for key in _VIDEO_KEYS if all(_value(image, key) is not None for image in images)), None)
    groups: dict[Hashable, list[Image]] = {}
    for entry in videos if key is not None and isinstance(videos, list) else ():
        if isinstance(entry, dict) and type(entry.get("id")) in (int, str):
            groups[entry["id"]] = []
    for image in images:
        group = _value(image, key) if key is not None else image.file.rpartition("/")[0]
        groups.setdefault(group, []).append(image)
    kept = [frames for frames in groups.values() if frames]
    if len(kept) < len(groups):
        notes.left_out["videos without an image"] += len(groups) - len(kept)
    if key is None:
        kept = [part for frames in kept for part in _clips(frames, notes)]
        notes.guessed["videos, told apart by the folders of their images (no image has a video_id)"] += len(kept)
    for frames in kept:
        _sort(frames, notes)
        sizes = {(image.width, image.height): image for image in frames}
        if len(sizes) > 1:
            one, two = list(sizes.values())[:2]
            raise DatasetError(
                f"{path}: {one.file} is {one.width}x{one.height} but {two.file}, of the same video, {two.width}x"
                f"{two.height}: all frames of a video must have one size; give images of different videos a video_id"
            )
    return kept


def _clips(images: list[Image], notes: Notes) -> list[list[Image]]:
    """The images of a folder by what is before the last number of their names: several clips lie in one folder."""
    clips: dict[str, list[Image]] = {}
    for image in images:
        match = _NUMBERED.match(_EXPORTED.sub("", image.file.rpartition("/")[2].casefold()))
        clips.setdefault(match[1] if match else "", []).append(image)
    if len(clips) < 2 or any(_is_order([image.entry.get(key) for image in images]) for key in _FRAME_KEYS):
        return [images]
    # Names with a time or a random text differ before their number, too.
    texts = {tuple(_DIGITS.split(start)) for start in clips}
    numbers = [_DIGITS.findall(start) for start in clips]
    differ = len(texts) == 1 and sum(len(set(column)) > 1 for column in zip(*numbers, strict=True))
    if differ > 1 or 2 * len(clips) > len(images):
        notes.guessed[
            "images whose names differ before their number, taken as of one video (else, give each a video_id)"
        ] += len(images)
        return [images]
    notes.guessed["videos of one folder, told apart by what is before the number in their images' names"] += len(clips)
    return list(clips.values())


_EXPORTED = re.compile(r"([._](jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9a-z_-]+\.\w+$")
"""What Roboflow puts behind the name of an image: ``0001_jpg.rf.0a1b2c.jpg``."""
_NUMBERED = re.compile(r"(.*?)\d+\D*$")
_DIGITS = re.compile(r"\d+")


def _is_order(numbers: list[Any]) -> bool:
    """Whether images with these frame numbers are one video."""
    return all(type(number) is int for number in numbers) and len(set(numbers)) == len(numbers)


def distinct_frames(images: list[Image], notes: Notes) -> tuple[list[Image], list[int]]:
    """The images of a video without those that list a file again, and which of them each of the images is."""
    places: dict[str, int] = {}
    frame_of = [places.setdefault(image.file, len(places)) for image in images]
    if again := len(images) - len(places):
        notes.guessed["images whose file is listed before (their objects are in one frame)"] += again
    first = dict(zip(reversed(frame_of), reversed(images), strict=True))
    return [first[frame] for frame in range(len(places))], frame_of


def _sort(frames: list[Image], notes: Notes) -> None:
    for key in _FRAME_KEYS:
        numbers = [image.entry.get(key) for image in frames]
        if _is_order(numbers):
            frames.sort(key=lambda image: image.entry[key])
            return
        if any(number is not None for number in numbers):
            notes.guessed[f"videos whose frames have not a {key} of their own each (the order of names counts)"] += 1
    frames.sort(key=lambda image: natural_key(image.file))


def _value(image: Image, key: str) -> int | str | None:
    value = image.entry.get(key)
    return value if type(value) in (int, str) else None
