"""The one door to annotations: a file, folder or archive of any format, found out and read.

``mmdet-vis convert`` takes what comes out as it is; training, evaluation and checks take it as the content of a
YouTube-VIS file, which a file of that format already is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmdet_vis.checks import check_path
from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, Notes, ReadOptions
from mmdet_vis.data.formats.archives import is_archive, unpack
from mmdet_vis.data.formats.coco_images import tidy
from mmdet_vis.data.formats.coco_write import coco_content
from mmdet_vis.data.formats.frame_files import find_frames, images_near
from mmdet_vis.data.formats.identify import describe_json, holds_results, identify, is_json_file, kind_of_json
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.data.formats.registry import FORMATS, Format
from mmdet_vis.data.formats.ytvis_json import tidy_ytvis, ytvis_content
from mmdet_vis.errors import DatasetError

_LOGGER = logging.getLogger(__name__)
_RESULTS = ("results", "result")


@dataclass(frozen=True)
class OpenedAnnotations:
    """Annotations of any format as a YouTube-VIS file has them.

    Attributes:
        content: with ``videos``, ``categories`` and ``annotations``, see
            :func:`~mmdet_vis.data.formats.ytvis_json.ytvis_content`. Of a file of this format it is not checked.
        images: the folder that ``file_names`` are relative to; None if it is not known.
        format: its name in :data:`~mmdet_vis.data.formats.registry.FORMATS`.
        notes: what was left out or guessed.
        names: of the videos, with ``/`` between folders; None: they have no other than those of their frames.
    """

    content: dict[str, Any]
    images: Path | None
    format: str
    notes: Notes = field(default_factory=Notes)
    names: list[str] | None = None

    def image_folder(self, path: Path) -> Path:
        """The folder of the frames of ``path``.

        Raises:
            DatasetError: it is not known, or is no folder.
        """
        if self.images is None:
            raise DatasetError(f"the frames of {path} are not beside it: name their folder (img_prefix)")
        if not os.path.isdir(self.images):
            raise DatasetError(f"{self.images} is not a folder: put the frames of {path} there, or a link to them")
        return self.images


def format_of(name: str) -> Format:
    """The format of a name.

    Raises:
        DatasetError: there is none.
    """
    if name not in FORMATS:
        raise DatasetError(f"{name!r:.40} is no format: choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def read_annotations(
    source: str | Path,
    from_format: str | None = None,
    options: ReadOptions = DEFAULTS,
    say: Callable[[str], None] | None = None,
    unpack_to: Path | None = None,
) -> AnnotatedVideos:
    """Read annotations or results of any format that :data:`~mmdet_vis.data.formats.registry.FORMATS` has.

    Args:
        source: a file or folder, or a zip or tar archive of one.
        from_format: its name in ``FORMATS``; None: it is found out.
        options: for the reader.
        say: takes the lines that say what the source is, and where an archive is unpacked.
        unpack_to: where an archive gets a folder of its name; beside it by default.

    Returns:
        its videos; frames are under the names of their files where the folder of the images is known.

    Raises:
        DatasetError, ResultsError: it cannot be read, or is of no known format.
        OutputError: an archive cannot be unpacked there.
    """
    check_path("source", source)
    tell = say or (lambda line: None)
    path = Path(source)
    if is_archive(path) and from_format not in _RESULTS and not holds_results(path):
        path = unpack(path, unpack_to or path.parent, tell)
    name = from_format
    if name is None:
        name, path = identify(path)
    known = format_of(name)
    tell(f"{path}: {known.title}" + (" (guessed)" if from_format is None else ""))
    if options.images is not None and not os.path.isdir(options.images):
        raise DatasetError(f"{options.images} is not a folder: give the one with the frames")
    if name == "results" and options.annotations is not None:
        opened = open_annotations(options.annotations, options.images)
        options = replace(options, content=opened.content, images=options.images or opened.images)
    found = known.read(path, options)
    found.format = name
    if found.images is None and found.videos:
        found.images = images_near(path, found.videos[0].file_names[0])
    if found.images is not None or name != "result":  # which names no files, but frames
        find_frames(found)
    return found


def open_annotations(
    path: str | Path, images: Path | None = None, progress: bool = False, stills: bool = False
) -> OpenedAnnotations:
    """Open the annotations of a dataset, in any format that is read.

    Args:
        path: a file or folder, or an archive, which is unpacked beside it, once.
        images: folder of the frames; None: it is looked for.
        progress: show progress bars.
        stills: give the content of a COCO file, of which every frame that was annotated is an image.

    Raises:
        DatasetError: it cannot be read, is of no known format, or holds results.
        OutputError: an archive cannot be unpacked.
    """
    check_path("path", path)
    path = Path(path)
    if is_json_file(path):
        notes = Notes()
        content = load_annotations(path, notes.guessed)
        kind = kind_of_json(content)
        if kind in _RESULTS:
            raise DatasetError(f"{path} is not a YouTube-VIS annotation file: {describe_json(content, path)}")
        if stills and kind != "ytvis":
            near = next((folder for name in tidy(content, notes)[:1] if (folder := images_near(path, name))), None)
            return OpenedAnnotations(content, images or near, "coco", notes)
        if not stills and kind not in ("coco", "cocovid"):
            return OpenedAnnotations(content, tidy_ytvis(content, notes, path, images), "ytvis", notes)
    found = read_annotations(path, None, ReadOptions(images=images, progress=progress), _LOGGER.info)
    if found.format in _RESULTS:
        raise DatasetError(f"{path} holds results, not annotations: evaluate or convert them")
    if stills:
        return OpenedAnnotations(coco_content(found), found.images, found.format, found.notes)
    names = [video.name for video in found.videos]
    return OpenedAnnotations(ytvis_content(found), found.images, found.format, found.notes, names)


def annotation_content(path: str | Path) -> dict[str, Any]:
    """The content of :func:`open_annotations`; what was left out or guessed is a warning in the log.

    Raises:
        DatasetError, OutputError: see there.
    """
    opened = open_annotations(path)
    log_notes(path, opened.notes)
    return opened.content


_STRICT = ContextVar("strict", default=False)


@contextmanager
def strictly(strict: bool = True) -> Iterator[None]:
    """Within the block, annotations of which something is left out or guessed are an error where that is logged."""
    token = _STRICT.set(strict)
    try:
        yield
    finally:
        _STRICT.reset(token)


def open_below(
    data_root: str | Path, ann_file: str | Path, img_prefix: str | Path | None, stills: bool = False
) -> tuple[Path, OpenedAnnotations]:
    """The path of what a config's dataset names, relative to its ``data_root``, and what it opens as.

    What was left out or guessed is in the log.

    Raises:
        DatasetError, OutputError: see :func:`open_annotations`.
    """
    path = Path(data_root, ann_file)
    opened = open_annotations(path, None if img_prefix is None else Path(data_root, img_prefix), stills=stills)
    log_notes(path, opened.notes)
    return path, opened


def log_notes(path: str | Path, notes: Notes) -> None:
    """Log what was left out or guessed as warnings, each with the name of the source.

    Raises:
        DatasetError: there is something, within :func:`strictly`.
    """
    if _STRICT.get() and notes.doubts():
        raise DatasetError(f"{path}: {notes.doubts()}; this is an error, as the run is strict")
    for line in replace(notes).lines():
        _LOGGER.warning("%s: %s", path, line)
