"""Folders with one PNG of masks per frame: which frames they belong to, and masks by what a pixel holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import AnnotatedVideo, AnnotatedVideos
from mmdet_vis.data.sources.folder import folders_below, list_folders, list_images
from mmdet_vis.data.sources.naming import last_number
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, encode_masks

MAX_OBJECTS = 2000
"""Of a video: more colours or numbers than that are no objects but a photograph, or a picture saved with losses."""
Masks = dict[Hashable, list[RLE | None]]


def video_folders(root: Path, is_video: Callable[[Path], bool], what: str) -> list[tuple[Path, str]]:
    """Folders of videos below ``root`` in natural order, or ``root`` itself where it is one.

    Each comes with the start of its frames' names relative to ``root``, which is empty or ends with ``/``.

    Raises:
        DatasetError: there are none; the message says ``what`` such a folder holds.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the one with {what} per video")
    if is_video(root):
        return [(root, "")]
    folders = [path for path in folders_below(root) if is_video(path)]
    if not folders:
        raise DatasetError(f"{root} holds no videos: give the folder with {what} per video")
    return [(path, f"{path.relative_to(root).as_posix()}/") for path in folders]


def nested_videos(root: Path, is_video: Callable[[Path], bool], depth: int = 4) -> Iterator[Path]:
    """The folders below ``root`` that are videos, in natural order; in one that is, no other is looked for."""
    for folder in list_folders(root):
        if is_video(folder):
            yield folder
        elif depth > 1 and not folder.is_symlink():
            yield from nested_videos(folder, is_video, depth - 1)


class FrameFiles:
    """Frame files of a video whose masks are named after them.

    Args:
        stems: of the files with masks, in their order.
        video: folder of the video relative to ``images``; empty if it is that one itself.
        images: folder with a folder of frames per video, or with the frames of the one video; None: frames are taken
            to be called as the masks, with ``.jpg``.
        source: of the masks, for messages.

    Attributes:
        names: T frame files relative to ``images``.
        places: which frame each file with masks belongs to.

    Raises:
        DatasetError: there are no frames for the masks.
    """

    def __init__(
        self, found: AnnotatedVideos, stems: Sequence[str], video: str, images: Path | None, source: Path
    ) -> None:
        prefix = f"{video}/" if video else ""
        if images is None:
            self.names = [f"{prefix}{stem}.jpg" for stem in stems]
            self.places = list(range(len(stems)))
            what = "frames, taken to be called as their masks, with .jpg (give the frames' folder)"
            found.notes.guessed[what] += len(stems)
            return
        folder = images / video
        if not folder.is_dir() and list_images(images)[0]:
            folder, prefix = images, ""
        if not folder.is_dir():
            raise DatasetError(f"{folder} does not exist: unpack the images of all listed videos")
        files = list_images(folder)[0]
        self.names = [prefix + file.name for file in files]
        known = {file.stem.casefold() for file in files}
        parts = [stem for stem in stems if stem.casefold() not in known and stem.rpartition("_")[0].casefold() in known]
        if parts and len(parts) == len(stems):
            raise DatasetError(
                f"{source} holds a PNG for each object of a frame ({parts[0]}.png) in one folder: save them as "
                "VIDEO/OBJECT/FRAME.png"
            )
        places = _places(found, [file.stem for file in files], stems)
        missing = next((stem for stem, place in zip(stems, places, strict=True) if place is None), None)
        if missing is not None:
            raise DatasetError(f"{folder} has no image for {source / missing}.png: unpack the images again")
        self.places = [place for place in places if place is not None]

    def add_video(self, found: AnnotatedVideos, name: str, size: tuple[int, int]) -> AnnotatedVideo:
        """Add the video of these frames; those without masks are such that nobody annotated."""
        video = found.add_video(name, self.names, *size)
        known = set(self.places)
        found.mark_annotated(video, [frame in known for frame in range(len(self.names))])
        return video

    def spread(self, masks: Sequence[RLE | None]) -> list[RLE | None]:
        """Masks of the files with masks as those of the T frames."""
        spread: list[RLE | None] = [None] * len(self.names)
        for place, mask in zip(self.places, masks, strict=True):
            spread[place] = mask
        return spread


def _places(found: AnnotatedVideos, frames: Sequence[str], masks: Sequence[str]) -> list[int | None]:
    """Which frame each file with masks belongs to, by their names without endings; None for those without one.

    By name, in any case; else by the last number of the names (``0001`` and ``frame_1_mask``); else, where nothing fits
    but as many are there, in their order.
    """
    exact = {stem: frame for frame, stem in enumerate(frames)}
    folded = {stem.casefold(): frame for stem, frame in exact.items()}
    places = [exact.get(stem, folded.get(stem.casefold())) for stem in masks]
    if None not in places:
        return places
    by_number = {number: n for n, stem in enumerate(frames) if (number := last_number(stem)) is not None}
    others = [None if (number := last_number(stem)) is None else by_number.get(number) for stem in masks]
    if len(by_number) == len(frames) and None not in others and len(set(others)) == len(masks):
        what = "masks that are called otherwise than their frames (the numbers in the names count)"
        found.notes.guessed[what] += len(masks)
        return others
    if len(frames) == len(masks) and not any(place is not None for place in (*places, *others)):
        found.notes.guessed["masks that are called otherwise than their frames (their order counts)"] += len(masks)
        return list(range(len(masks)))
    return places


def collect_masks(files: Sequence[Path], read: Callable[[Path], NDArray[np.generic]]) -> tuple[Masks, tuple[int, int]]:
    """Masks by the number but 0 that their pixels hold in N pictures of one video, whose numbers ``read`` ``[H, W]``.

    Returns:
        N masks of each number, in the order of the numbers, None where it does not occur; and (height, width).

    Raises:
        DatasetError: pictures have different sizes or hold too many numbers.
    """
    objects: dict[int, list[RLE | None]] = {}
    size = (0, 0)
    for frame, file in enumerate(files):
        pixels = read(file)
        if frame and pixels.shape != size:
            raise DatasetError(
                f"{file} is {pixels.shape[1]}x{pixels.shape[0]} but {files[0].name} is {size[1]}x{size[0]}: "
                "all frames of a video must have one size"
            )
        size = (int(pixels.shape[0]), int(pixels.shape[1]))
        numbers = [int(number) for number in np.unique(pixels) if number != 0]
        if len(objects.keys() | set(numbers)) > MAX_OBJECTS:
            raise DatasetError(
                f"{file} makes more than {MAX_OBJECTS} different pixel values in its video: these are no masks, or "
                "they were scaled or saved with losses; export them as PNG without smoothing"
            )
        for number in numbers:
            rle = encode_masks((pixels == number)[None])[0]
            objects.setdefault(number, [None] * len(files))[frame] = rle
    return {number: objects[number] for number in sorted(objects)}, size
