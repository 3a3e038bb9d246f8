"""Where a run over a dataset writes the pictures of its videos, and what must not lie there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from mmdet_vis.data.datasets import VideoDataset, VideoInfo
from mmdet_vis.errors import OutputError

ENDINGS = {"png": "*.png", "overlay": "*.jpg"}


def video_places(folder: Path, video: VideoInfo, formats: Sequence[str]) -> dict[str, Path]:
    """Where the pictures of a video go, for each format that has any: folders, and a file for ``video``."""
    places = {kind: folder / kind / video.name for kind in ENDINGS if kind in formats}
    if "video" in formats:
        places["video"] = folder / "video" / f"{video.name}.mp4"
    return places


def has_pictures(folder: Path, video: VideoInfo, formats: Sequence[str]) -> bool:
    """Whether a video has a picture for each of its frames in each of the formats."""
    places = video_places(folder, video, formats)
    if "video" in places and not places.pop("video").is_file():
        return False
    return all(len(list(place.glob(ENDINGS[kind]))) == len(video) for kind, place in places.items())


def check_inputs(dataset: VideoDataset, places: Iterable[Path]) -> None:
    """Refuse to write results over the files of the dataset, or among them.

    Args:
        dataset: its frames and annotation file are looked at.
        places: files that the run writes, and folders whose contents it writes.

    Raises:
        OutputError: names a file of the dataset and the place that it lies in.
    """
    real_places = {str(place.resolve()): place for place in places}
    # The target of a link can only lie in a place that is there already.
    look_at_links = any(map(os.path.exists, real_places))

    @cache
    def place_of_folder(folder: str) -> tuple[str, Path | None]:
        real = os.path.realpath(folder)
        inside = (real_places.get(str(parent)) for parent in (Path(real), *Path(real).parents))
        return real, next((place for place in inside if place is not None), None)

    def place_of(file: str) -> Path | None:
        folder, name = os.path.split(file)
        real, place = place_of_folder(folder)
        return place or real_places.get(os.path.join(real, name))

    files = [] if dataset.ann_file is None else [dataset.ann_file]
    for path in (*files, *(frame for video in dataset.videos for frame in video.frames)):
        file = str(path)
        place = place_of(file)
        if place is None and look_at_links and os.path.islink(file):
            place = place_of(os.path.realpath(file))
        if place is not None:
            raise OutputError(f"{path} of the dataset lies in {place}, which is for results: choose another --save-dir")
