"""Annotated videos in memory: what every reader of a format gives and every writer takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet_vis.data.categories import plain_name
from mmdet_vis.data.formats.shapes import check_frame_size
from mmdet_vis.data.sources.naming import unlike
from mmdet_vis.errors import counted, few, option
from mmdet_vis.structures import RLE, areas

PARTS = "masks beside another of the same object in the same frame (joined)"
"""What is guessed where a format has one mask for an object and frame."""
NOT_ANNOTATED = "marks of frames that nobody annotated"
"""What is left out where a format cannot say it."""


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may be told; each takes what concerns its format.

    Attributes:
        images: folder of the frames, of several videos with a folder for each, which are called as the videos' names.
            None: it is looked for in and beside the annotations.
        category: of objects in formats that have none.
        annotations: of results: the annotations of their videos, in any format.
        content: of these annotations, as they were opened.
        score_thr: of results: sequences with a lower score are left out.
        set_name, year, resolution, davis_annotations: of DAVIS.
        repeat: of COCO: every image is a video of so many equal frames, whatever the file says of tracks.
        progress: show progress bars.
    """

    images: Path | None = None
    category: str = "object"
    annotations: Path | None = None
    content: Mapping[str, Any] | None = None
    score_thr: float = 0.0
    set_name: str = "val"
    year: int | None = None
    resolution: str = "480p"
    davis_annotations: str = "Annotations_unsupervised"
    repeat: int | None = None
    progress: bool = False


DEFAULTS = ReadOptions()


@dataclass
class Notes:
    """What a reader or writer did that its user should know of, each kind with how often.

    Attributes:
        left_out: what the result lacks.
        guessed: what the input does not say, or says in two ways.
        facts: what is neither, but changes what the result means.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    guessed: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """One line for each kind that there is, such as ``left out: 3 box tracks, 1 point shapes``."""
        kinds = (("left out", self.left_out), ("guessed", self.guessed), ("note", self.facts))
        return [
            f"{kind}: " + ", ".join(_phrase(number, what) for what, number in sorted(counts.items()))
            for kind, counts in kinds
            if counts
        ]

    def name_unlabelled(self, videos: Sequence[str]) -> None:
        """Name the videos in which no object is labelled: often a label file that was forgotten."""
        if videos:
            shown = few([f"{name:.40}" for name in videos])
            self.facts[f"videos in which no object is labelled ({shown})"] += len(videos)

    def doubts(self) -> str:
        """What ``--strict`` refuses, as one line; empty if there is nothing."""
        return "; ".join(Notes(self.left_out, self.guessed).lines())


def _phrase(number: int, what: str) -> str:
    several = next((noun for noun in ("videos", "folders") if what.startswith(noun)), None)
    return f"1 {several[:-1]}{what[len(several) :]}" if number == 1 and several else f"{number} {what}"


@dataclass
class AnnotatedTrack:
    """One object of a video.

    Attributes:
        category: its name, as in :attr:`AnnotatedVideos.categories`.
        masks: T RLEs ``[H, W]``; None where the object is not visible, or nobody said.
        crowd: a group of objects.
        score: of a result, in [0, 1]; None for annotations.
    """

    category: str
    masks: list[RLE | None]
    crowd: bool = False
    score: float | None = None


@dataclass
class AnnotatedVideo:
    """A video of T frames with its objects.

    Attributes:
        name: of one or several folders, parted with ``/``; unique.
        file_names: T frame files with ``/``, relative to :attr:`AnnotatedVideos.images`.
        height, width: of its frames in pixels.
        tracks: its objects.
        annotated: T values, False for frames that nobody annotated: there, an object without a mask is not absent.
            None: all frames are annotated.
        id: in the source, if it has one.
        extra: further keys of a YouTube-VIS entry.
    """

    name: str
    file_names: list[str]
    height: int
    width: int
    tracks: list[AnnotatedTrack] = field(default_factory=list)
    annotated: list[bool] | None = None
    id: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.file_names)


@dataclass
class AnnotatedVideos:
    """All videos of one source.

    Attributes:
        source: what they were read from, for messages.
        images: the folder that frames are relative to; None if it is not known.
        videos: in the order of the source.
        categories: id in the source (None: it has none) by name, in the order of the source.
        ground_truth: False for a test set, whose objects are kept secret.
        notes: what was left out or guessed so far.
        format: its name in the registry, where it is known.
    """

    source: str
    images: Path | None = None
    videos: list[AnnotatedVideo] = field(default_factory=list)
    categories: dict[str, int | None] = field(default_factory=dict)
    ground_truth: bool = True
    notes: Notes = field(default_factory=Notes)
    format: str = ""
    _names: set[str] = field(default_factory=set, repr=False)
    _spellings: dict[str, str] = field(default_factory=dict, repr=False)
    _other_spellings: set[str] = field(default_factory=set, repr=False)

    def category(self, name: str, category_id: int | None = None) -> str:
        """The name under which a category goes: spellings that differ in case, spaces and ``_`` are one category."""
        name = name.strip()
        known = self._spellings.setdefault(plain_name(name), name)
        if known not in self.categories:
            self.categories[known] = category_id
        elif known != name and name not in self._other_spellings:
            self._other_spellings.add(name)
            self.notes.guessed[f"category spelt in another way ({name!r:.40} taken as {known!r:.40})"] += 1
        return known

    def add_video(
        self, name: str, file_names: Sequence[str], height: int, width: int, video_id: int | None = None, **extra: Any
    ) -> AnnotatedVideo:
        """Add a video of at least one frame.

        Raises:
            DatasetError: its frames would have more pixels than any image that is read.
        """
        check_frame_size(height, width, file_names[0])
        name = unlike(self._names, name)
        self.videos.append(AnnotatedVideo(name, list(file_names), height, width, id=video_id, extra=extra))
        return self.videos[-1]

    def add_track(
        self,
        video: AnnotatedVideo,
        category: str,
        masks: Sequence[RLE | None],
        crowd: bool = False,
        score: float | None = None,
    ) -> None:
        """Add an object; one that no mask shows is left out and counted. Empty masks become None."""
        present = {frame: rle for frame, rle in enumerate(masks) if rle is not None}
        visible = {frame for frame, area in zip(present, areas(list(present.values())), strict=True) if area}
        if not visible:
            self.notes.left_out["objects without a pixel"] += 1
            return
        kept = [rle if frame in visible else None for frame, rle in enumerate(masks)]
        video.tracks.append(AnnotatedTrack(self.category(category), kept, crowd, score))

    def mark_annotated(self, video: AnnotatedVideo, annotated: Sequence[bool]) -> None:
        """Say which of a video's T frames were annotated; note the others."""
        missing = len(annotated) - sum(annotated)
        if missing:
            video.annotated = list(annotated)
            self.notes.facts[
                "frames that nobody annotated (they are marked, and skipped by training and evaluation; "
                f"{option('annotated_only')} leaves them out)"
            ] += missing

    def summary(self) -> str:
        """One line on how much there is."""
        frames, objects = sum(map(len, self.videos)), sum(len(video.tracks) for video in self.videos)
        counts = {"video": len(self.videos), "frame": frames, "object": objects, "category": len(self.categories)}
        return ", ".join(counted(number, noun) for noun, number in counts.items())
