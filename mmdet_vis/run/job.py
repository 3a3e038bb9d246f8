"""A video to segment: where its frames come from and where its results go, alike for files and datasets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmdet_vis.choices import ENDINGS, PICTURES
from mmdet_vis.data.datasets import VideoDataset, VideoInput
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.data.sources.probe import probe
from mmdet_vis.errors import OutputError, SourceError

MAX_NAME = 240
"""Bytes of a file name, with room for a temporary ending."""


@dataclass(frozen=True)
class Job:
    """A video of a run.

    Attributes:
        id: of the video in results: its number among the inputs, or its id in the dataset.
        name: what its results are called, unlike that of any other.
        open: opens its frames.
        places: its files, for each format that has any of its own: a folder, a file for ``video`` and ``result``.
        frames: how many it has, where that is known before it is opened.
        path: its file or folder of frames; None for a video of a dataset.
    """

    id: int
    name: str
    open: Callable[[], FrameSource]
    places: Mapping[str, Path]
    frames: int | None = None
    path: Path | None = None

    def failure(self, reason: str) -> str:
        """The line that says why it could not be done."""
        if self.path is None:
            return f"video {self.id} ({self.name}): {reason}"
        return reason if reason.startswith(str(self.path)) else f"{self.path}: {reason}"

    def has_pictures(self, frames: int | None, formats: Collection[str] = PICTURES) -> bool:
        """Whether each of its places of these formats has a picture for each of so many frames."""
        places = {kind: place for kind, place in self.places.items() if kind in formats}
        if not all(place.is_file() for kind, place in places.items() if kind in ENDINGS):
            return False
        # Without those that were being written when a run was killed.
        found = {kind: place.glob(PICTURES[kind]) for kind, place in places.items() if kind not in ENDINGS}
        return all(sum(not path.name.startswith(".tmp-") for path in paths) == frames for paths in found.values())

    def load(self) -> int:
        """About how many frames it has, without decoding any; 1 if that cannot be told."""
        if self.frames is not None or self.path is None:
            return self.frames or 1
        with suppress(SourceError, OSError):
            return probe(self.path).frames or 1
        return 1


def jobs_of_files(videos: Sequence[VideoInput], save_dir: Path, formats: Iterable[str]) -> list[Job]:
    """The videos of a run over files, folders of frames and annotated frames, with the results of all in one folder.

    Raises:
        OutputError: the file system cannot take a name, or two videos would write to the same place.
    """
    taken, jobs = {video.name for video in videos}, []
    for number, video in enumerate(videos, start=1):
        name = video.name
        if len(f"{name}.mp4".encode()) > MAX_NAME:
            raise OutputError(f"{name[:40]}… is too long a name for results: rename the input")
        if f"{name}.mp4" in taken and PICTURES.keys() & set(formats):
            raise OutputError(f"inputs {name} and {name}.mp4 would write to the same place: rename one of them")
        places = {"png": save_dir / name, "overlay": save_dir / name}
        places |= {kind: save_dir / f"{name}{ending}" for kind, ending in ENDINGS.items()}
        places = {kind: place for kind, place in places.items() if kind in formats}
        frames = None if video.files is None else len(video.files)
        jobs.append(Job(number, name, video.open, places, frames, video.path))
    return jobs


def jobs_of_dataset(dataset: VideoDataset, save_dir: Path, formats: Iterable[str]) -> list[Job]:
    """The videos of a run over a dataset, with a folder for each format of their pictures."""
    kinds = [kind for kind in PICTURES if kind in formats]
    return [
        Job(
            video.id,
            video.name,
            partial(dataset.open, index),
            {kind: save_dir / kind / f"{video.name}{ENDINGS.get(kind, '')}" for kind in kinds},
            frames=len(video),
        )
        for index, video in enumerate(dataset.videos)
    ]
