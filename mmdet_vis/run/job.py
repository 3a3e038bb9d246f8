"""The videos of a run, alike of files and of datasets, and what is written of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.progress import Progress

from mmdet_vis.choices import ENDINGS, PICTURES
from mmdet_vis.data.datasets import VideoDataset, VideoInput
from mmdet_vis.data.formats import write_davis_pngs
from mmdet_vis.data.formats.result_file import write_result
from mmdet_vis.data.sources import FrameSource, Prefetcher
from mmdet_vis.data.sources.probe import probe
from mmdet_vis.errors import OutputError, SourceError
from mmdet_vis.progress import bars
from mmdet_vis.structures import VideoResult
from mmdet_vis.structures.sequence import frame_stems
from mmdet_vis.visualization.images import ImageFolderWriter
from mmdet_vis.visualization.overlay import render_frames
from mmdet_vis.visualization.video_writer import VideoWriter

FRAMES_READ_AT_ONCE = 8
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
    return [
        Job(video.id, video.name, partial(dataset.open, index), places_in(save_dir, video.name, formats), len(video))
        for index, video in enumerate(dataset.videos)
    ]


def places_in(folder: Path, name: str, formats: Iterable[str]) -> dict[str, Path]:
    """The places of a video in a folder for each of the formats of which it has files of its own."""
    kinds = [kind for kind in PICTURES if kind in formats]
    return {kind: folder / kind / f"{name}{ENDINGS.get(kind, '')}" for kind in kinds}


def write_pictures(
    result: VideoResult,
    source: FrameSource,
    places: Mapping[str, Path],
    show_thr: float | None,
    use_img: bool,
    bar: Progress | None = None,
) -> None:
    """Write the pictures of what was found in ``source``.

    Args:
        places: what to write and where: a folder for ``png`` (index PNGs) and ``overlay`` (JPEGs), a file in an
            existing folder for ``video`` (mp4) and ``result`` (JSON, with all that is known of the video).
        show_thr: lowest score of a sequence that is drawn, the result's own if None; index PNGs have all.
        use_img: draw as the original's demo: 70 % colour, 30 % image.

    Raises:
        SourceError, OutputError: a frame cannot be read, or a picture cannot be written.
    """
    if "result" in places:
        write_result(places["result"], result)
    if "png" in places:
        write_davis_pngs(result, places["png"])
    with ExitStack() as stack:
        writers: list[ImageFolderWriter | VideoWriter] = []
        if "overlay" in places:
            writers.append(stack.enter_context(ImageFolderWriter(places["overlay"], frame_stems(result))))
        if "video" in places:
            size = (result.height, result.width)
            video = VideoWriter(places["video"], result.fps, size, source.times, source.pixel_aspect, source.last)
            writers.append(stack.enter_context(video))
        if not writers:
            return
        count = len(source)
        chunks = ((t, min(t + FRAMES_READ_AT_ONCE, count)) for t in range(0, count, FRAMES_READ_AT_ONCE))
        ahead = stack.enter_context(Prefetcher(source, chunks))
        frames = (frame for _, _, several in ahead for frame in several)
        bar = bar or bars(shown=False)
        task = bar.add_task("drawing", total=result.num_frames)
        stack.callback(bar.remove_task, task)
        for frame in render_frames(result, frames, show_thr, style="blend" if use_img else "overlay"):
            for writer in writers:
                writer.write(frame)
            bar.advance(task)
