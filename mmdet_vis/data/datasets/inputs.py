"""What can be opened as a video: files, folders and archives of frames, and the videos of annotated datasets."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.data.datasets.base import VideoInfo, unique_video_names
from mmdet_vis.data.datasets.ytvis import listed_videos
from mmdet_vis.data.formats.archives import is_archive, unpack
from mmdet_vis.data.formats.identify import identify, is_json_file, is_plain_text, names_dataset
from mmdet_vis.data.formats.mask_kinds import only_folder
from mmdet_vis.data.formats.opening import log_notes, open_annotations
from mmdet_vis.data.formats.ytvis import index_videos
from mmdet_vis.data.sources import FrameSource, ImageFilesSource, find_inputs, open_source, unique_names
from mmdet_vis.errors import SourceError, few

_LOGGER = logging.getLogger(__name__)
Given = str | os.PathLike[str]


@dataclass(frozen=True)
class VideoInput:
    """A video that can be opened; nothing is decoded before.

    Attributes:
        path: its file, or the folder of its frames.
        name: what its results are called; usable as a file name.
        files: its frames, of a video of a dataset; None: ``path`` says all.
    """

    path: Path
    name: str
    files: tuple[Path, ...] | None = None

    def open(self) -> FrameSource:
        """Open its frames.

        Raises:
            SourceError: it cannot be read.
        """
        source = open_source(self.path) if self.files is None else ImageFilesSource(self.files, self.name)
        source.name = self.name
        return source


def find_videos(given: Given | Sequence[Given], unpack_to: Path | None = None) -> list[VideoInput]:
    """The videos of files, folders and archives, each once, in their order and in the natural order of each folder.

    A folder is one of frames, or of videos and folders of frames (:func:`~mmdet_vis.data.sources.find_inputs`). An
    archive is unpacked, once, and counts as the folder that it becomes. Annotations (a JSON, XML or MOTS file, a folder
    of DAVIS, CVAT or MOTS) stand for the videos that they are of.

    Args:
        given: what is named.
        unpack_to: where archives are unpacked; beside each by default.

    Raises:
        SourceError: there is nothing, or no video in it.
        DatasetError: annotations cannot be read, or their frames are not there.
        OutputError: an archive cannot be unpacked.
    """
    places = [given] if isinstance(given, str | os.PathLike) else list(given)
    plain: dict[str, Path] = {}
    frames: dict[tuple[Path, ...], str] = {}
    for place in map(Path, places):
        path = unpack(place, unpack_to or place.parent, _LOGGER.info) if is_archive(place) else place
        if _is_dataset(path):
            frames |= {video.frames: video.name for video in _videos_of(path)}
            continue
        inner = _packed(path) if path != place else path
        for found in find_inputs(inner):
            plain.setdefault(os.path.realpath(found), found)
    videos = inputs_of(list(plain.values()))
    of_frames = unique_video_names(list(frames.values()), [video.name for video in videos])
    return videos + [VideoInput(files[0].parent, name, files) for files, name in zip(frames, of_frames, strict=True)]


def inputs_of(paths: Sequence[Path]) -> list[VideoInput]:
    """Videos, each a file or a folder of frames, under names of their own."""
    return [VideoInput(path, name) for path, name in zip(paths, unique_names(paths), strict=True)]


def open_video(given: Given, unpack_to: Path | None = None) -> FrameSource:
    """Open the one video that a path is, see :func:`find_videos`; a folder of images is one, whatever else is in it.

    Raises:
        SourceError: it is none, or there are several.
        DatasetError, OutputError: see :func:`find_videos`.
    """
    path = Path(given)
    if not is_archive(path) and not _is_dataset(path):
        return open_source(path)
    videos = find_videos(path, unpack_to)
    if len(videos) > 1:
        names = few([video.name for video in videos])
        raise SourceError(
            f"{path} holds {len(videos)} videos ({names}): give one of them, or open them with "
            "mmdet_vis.data.datasets.find_videos"
        )
    return videos[0].open()


def _is_dataset(path: Path) -> bool:
    """Whether a path is one of annotations, and not a video, an image or a folder of these.

    Raises:
        SourceError: it is a text file of neither.
    """
    if os.path.isdir(path):
        return names_dataset(path)
    if path.suffix.lower() == ".txt" and os.path.isfile(path) and is_plain_text(path):
        raise SourceError(
            f"{path} is a text file: give a video, a folder of images, an archive of them, or annotations of a dataset"
        )
    return path.suffix.lower() in (".xml", ".txt") or (path.suffix.lower() == ".json" and is_json_file(path))


def _videos_of(path: Path) -> list[VideoInfo]:
    """The videos of annotations."""
    if path.is_file():
        identify(path)  # says what a file is that is not one of annotations
    opened = open_annotations(path)
    log_notes(path, opened.notes)
    return listed_videos(opened, index_videos(opened.content, str(path)), path)


def _packed(folder: Path) -> Path:
    """Where the frames of an archive begin: below the folders that hold one folder and nothing else."""
    while (inner := only_folder(folder)) is not None:
        folder = inner
    return folder
