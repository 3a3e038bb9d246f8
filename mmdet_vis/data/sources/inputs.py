"""Which entries of a folder are videos, and how one is opened."""

from __future__ import annotations

import logging
import os
import re
from itertools import chain
from pathlib import Path

from ...errors import SourceError
from .animation import AnimationSource
from .base import FrameSource
from .file_kinds import kind_of, not_read, refusal
from .folder import FolderSource, ImageFilesSource, folders_below, list_images
from .image_files import IMAGE_SUFFIXES, is_video_image
from .naming import display_name, natural_key, unique_names
from .video import VideoFileSource
from .video_decode import VIDEO_SUFFIXES

_LOGGER = logging.getLogger(__name__)


def open_source(path: str | os.PathLike[str]) -> FrameSource:
    """Open a folder of images, an image, an animation, or a video file as a source of frames.

    What is left out, converted or guessed is in ``warnings`` of the source.

    Raises:
        SourceError: nothing there, or nothing that can be used.
    """
    path = Path(path)
    if os.path.isdir(path):  # those of Path fail for names too long
        return FolderSource(path)
    if not os.path.exists(path):
        raise SourceError(f"{path}: no such file or folder; {_where_else(path)}")
    if not path.is_file():
        raise SourceError(f"{path}: is neither a file nor a folder; give a video, an image or a folder of images")
    source: FrameSource
    kind, named = kind_of(path), path.suffix.lower() in IMAGE_SUFFIXES
    if path.suffix.lower() in (".mjpeg", ".mjpg") and kind == "image":
        kind = "video"  # one JPEG after the other
    if reason := refusal(path, kind):
        raise SourceError(f"{path}: {reason}")
    if kind == "image" or (named and kind != "video"):
        is_animation = is_video_image(path) and path.suffix.lower() not in (".tif", ".tiff")
        source = AnimationSource(path) if is_animation else ImageFilesSource([path], unique_names([path])[0])
    else:
        source = VideoFileSource(path)
    if kind and path.suffix and named != (kind == "image") and not (named and kind == "image"):
        source.warnings.append(f"{path}: is {'an image' if kind == 'image' else 'a video'}, other than its name says")
    return source


def find_inputs(root: str | os.PathLike[str]) -> list[Path]:
    """Return the videos of a folder in natural order: sub-folders that directly hold images, and video files
    (also animations, and TIFF files of several pictures).

    Hidden entries are skipped; other entries are ignored with a warning in the log. A folder that holds
    images but neither videos nor folders of images is itself the one input, and so is a single file. Where a folder
    holds nothing of that, what is deeper in it counts.

    Raises:
        SourceError: nothing there, or no input in it.
    """
    root = Path(root)
    if not os.path.exists(root):
        raise SourceError(
            f"{root}: no such file or folder; "
            + _where_else(root, "give a video, or a folder with videos or folders of images")
        )
    if not root.is_dir():
        return [root]
    images, others = list_images(root)
    inputs: list[Path] = []
    ignored: list[Path] = []
    for image in images:
        (inputs if is_video_image(image) else ignored).append(image)
    for entry in others:
        (inputs if _is_input(entry) else ignored).append(entry)
    inputs.sort(key=lambda entry: natural_key(entry.name))
    if not inputs and images:
        return [root]
    if not inputs:
        # As archives and datasets have them: <part>/<video>/<frame>.
        below = ((folder, *filter(Path.is_file, list_images(folder)[1])) for folder in folders_below(root))
        if deep := [entry for entry in chain.from_iterable(below) if _is_input(entry)]:
            return deep
    if not inputs:
        endings = ", ".join(sorted(VIDEO_SUFFIXES))
        hint = not_read(others) or f"put videos ({endings}) or folders of images into it"
        raise SourceError(f"{root}: holds no input; {hint}")
    if ignored:
        first = display_name(min(ignored, key=lambda entry: natural_key(entry.name)).name)
        _LOGGER.warning(
            "%s: ignored what is neither a video nor a folder of images: %d in all, the first is %s",
            root,
            len(ignored),
            first,
        )
    return inputs


def _where_else(path: Path, fix: str = "check the path") -> str:
    """How to come to what a path that is not there may be meant for."""
    if re.match(r"[a-z][a-z0-9+.-]+:/", path.as_posix()):
        return "an address is read as a stream (mmdet-vis stream, StreamReader), or fetch the file first"
    if re.fullmatch(r"\d{1,2}", str(path)):
        return "a camera is read as a stream (mmdet-vis stream, StreamReader)"
    return fix


def _is_input(entry: Path) -> bool:
    if entry.is_dir():
        return bool(list_images(entry)[0])
    return entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()
