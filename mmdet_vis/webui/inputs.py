"""What a page's user uploads: one video, as a file, an animation, images or a zip of them; and files of proposals.

How much of it the server takes is measured before any frame is decoded.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shutil
import zipfile
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.corrections.check import CorrectionError
from mmdet_vis.data.formats.archives import unpack
from mmdet_vis.data.sources import FrameSource, display_name, find_inputs, is_inside, open_source
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES
from mmdet_vis.data.sources.naming import windows_name
from mmdet_vis.data.sources.video_decode import DECODE_ERRORS, open_container
from mmdet_vis.errors import NotEnoughMemoryError, SourceError, UserError, is_out_of_memory
from mmdet_vis.proposers import FilesProposer
from mmdet_vis.proposers.files import CATEGORIES

_LOGGER = logging.getLogger(__name__)

TOO_MUCH = "the memory is not enough for this video: use fewer frames or a smaller video"
"""What is said where memory is used up."""

_LONGEST_NAME = 60
_MOST_GROWTH = 4
"""Times the largest upload that a zip's images may have in all."""


MAX_FRAME_RATE = 60
"""Frames per allowed second: a minute of 1000 frames per second is not a minute's work."""


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        max_megabytes: largest file, in units of 2^20 bytes.
        max_seconds: longest video.
    """

    max_megabytes: int = 200
    max_seconds: float = 60.0

    @property
    def max_bytes(self) -> int:
        """Largest file."""
        return self.max_megabytes * 2**20

    @property
    def max_frames(self) -> int:
        """Most frames of a video."""
        return math.ceil(self.max_seconds * MAX_FRAME_RATE)


def clean_name(name: str) -> str:
    """A video's name that can be that of a file, and of a folder in a zip, on whichever system the user has."""
    return windows_name(re.sub(r"[^\w.-]+", "_", name).strip("._")[:_LONGEST_NAME] or "video")


def take_uploads(uploads: Sequence[str | Path], folder: Path, limits: Limits) -> str:
    """Bring what was uploaded into a new folder, where :func:`open_input` finds it.

    The uploads stay where they are: on one disk, the folder has links to them.

    Args:
        uploads: files on the server, in the order of the user.
        folder: is made.
        limits: on their number, size and length.

    Returns:
        the name of the video.

    Raises:
        SourceError: one line that names the file, without its folder, and what to do.
    """
    files = [Path(upload) for upload in uploads]
    if not files:
        raise SourceError("no video: drop one, or pick an example")
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    others = [file for file in files if file not in images]
    if len(files) > 1 and others:
        kind = f"{len(others)} are videos or archives" if not images else f"{display_name(others[0].name)} is not"
        raise SourceError(f"one video at a time: of {len(files)} files that are the frames of a video, {kind}")
    check_sizes(files, limits)
    folder.mkdir(parents=True)
    try:
        if len(files) == 1 and zipfile.is_zipfile(files[0]):
            return _take_zip(files[0], folder, limits)
        for file in files:
            if (folder / file.name).exists():
                raise SourceError(f"two images are called {display_name(file.name)}: give each a name of its own")
            _link(file, folder / file.name)
        if len(files) == 1 and not images:
            check_video(files[0], limits)
    except UserError as error:
        places = (f"{folder}{os.sep}", *{f"{file.parent}{os.sep}" for file in files})
        raise SourceError(shorten(str(error), places)) from error
    # Of frames only the folder had a name, and browsers do not tell it.
    return files[0].stem if len(files) == 1 else re.sub(r"[\d_. -]+$", "", files[0].stem) or "images"


def open_input(folder: Path) -> FrameSource:
    """Open what :func:`take_uploads` brought.

    Raises:
        SourceError: it cannot be read.
    """
    entries = list(folder.iterdir())
    return open_source(entries[0] if len(entries) == 1 else folder)


def shorten(text: str, places: Sequence[str]) -> str:
    """A message as one line, without folders of the server."""
    for place in places:
        text = text.replace(place, "")
    return " ".join(text.split())


def line_of(error: Exception, places: Sequence[str] = ()) -> str:
    """What a page says of an error: nothing of the server's folders, nor of what only a program could do.

    A fault of the program itself goes to the terminal with its traceback.
    """
    if isinstance(error, NotEnoughMemoryError) or is_out_of_memory(error):
        return TOO_MUCH
    if not isinstance(error, UserError):
        _LOGGER.error("the program failed", exc_info=error)
        return f"the program failed ({type(error).__name__}): its terminal says where"
    # A page does one thing at a time: which of a list it was need not be said.
    return shorten(error.reason if isinstance(error, CorrectionError) else str(error), places)


def check_sizes(files: Sequence[Path], limits: Limits) -> None:
    """Refuse uploads that are too many or too large.

    Raises:
        SourceError: see there.
    """
    names = [display_name(file.name) for file in files]
    try:
        sizes = [file.stat().st_size for file in files]
    except OSError as error:
        missing = next(name for name, file in zip(names, files, strict=True) if not file.exists())
        raise SourceError(f"{missing} is no longer on the server: drop it again") from error
    if sum(sizes) > limits.max_bytes:
        what = names[0] if len(files) == 1 else f"{len(files)} files together"
        have = "has" if len(files) == 1 else "have"
        raise SourceError(
            f"{what} {have} {sum(sizes) / 2**20:.1f} MB, this server takes {limits.max_megabytes}: compress or cut it"
        )
    if len(files) > limits.max_frames:
        raise SourceError(f"{len(files)} files are more than {limits.max_frames}, which this server takes")


def check_video(path: Path, limits: Limits) -> None:
    """Refuse a file that is missing, too large or too long.

    The length is that of the packets in the file, not what its header announces, and reading stops at the limit: a
    small file can hold hours of a still picture.

    Raises:
        SourceError: one line that names the file, the limit and what to do.
    """
    check_sizes([path], limits)
    name = display_name(path.name)
    container, stream = open_container(path, "AUTO")
    try:
        first, frames, seconds = None, 0, 0.0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            frames += 1
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and stream.time_base:
                first = stamp if first is None else min(first, stamp)
                end = stamp + (packet.duration or 0)
                seconds = max(seconds, float((end - first) * stream.time_base))
            # A frame more: containers round durations.
            if seconds > limits.max_seconds + max(seconds / frames, 0.05):
                raise SourceError(f"{name} is longer than {limits.max_seconds:g} s, which this server takes: cut it")
            if frames > limits.max_frames:
                raise SourceError(
                    f"{name} has more than {limits.max_frames} frames, which this server takes: cut it or lower "
                    "its frame rate"
                )
    except DECODE_ERRORS:
        # Damage: the frames before it may be good, which is found out when they are decoded.
        return
    finally:
        container.close()


def check_length(source: FrameSource, name: str, limits: Limits) -> None:
    """Refuse a source with too many frames: images, animations and what a zip holds.

    Raises:
        SourceError: one line that names it, the limit and what to do.
    """
    if len(source) > limits.max_frames:
        raise SourceError(f"{name} has {len(source)} frames, this server takes {limits.max_frames}: use fewer")
    seconds = source.times[-1] if source.times else (len(source) - 1) / source.fps if source.fps else 0
    if seconds > limits.max_seconds:
        raise SourceError(f"{name} is longer than {limits.max_seconds:g} s, which this server takes: cut it")


def frames_wanted(source: FrameSource, max_frames: int | None, max_seconds: float | None) -> int:
    """How many of the first frames lie within both bounds; at least 1.

    A source without a frame rate has no seconds: then only ``max_frames`` counts.
    """
    count = len(source)
    if max_frames is not None:
        count = min(count, max_frames)
    if max_seconds is not None and source.times:
        count = min(count, bisect_left(source.times, max_seconds - 1e-6))
    elif max_seconds is not None and source.fps:
        count = min(count, math.ceil(max_seconds * source.fps - 1e-6))
    return max(count, 1)


def _unpack_zip(path: Path, parent: Path, limits: Limits) -> Path:
    """Unpack a zip into a new folder below ``parent``.

    Raises:
        SourceError, DatasetError: it holds too much, or is damaged.
    """
    name = display_name(path.name)
    if not zipfile.is_zipfile(path):
        raise SourceError(f"{name} is no zip: give another")
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    size = sum(info.file_size for info in members)
    if len(members) > limits.max_frames or size > _MOST_GROWTH * limits.max_bytes:
        raise SourceError(
            f"{name} holds {len(members)} files of {size / 2**20:.0f} MB, this server takes {limits.max_frames} and "
            f"{_MOST_GROWTH * limits.max_megabytes}: put less into it"
        )
    place = parent / "unpacked"  # it may be called as any folder beside it
    return unpack(path, place, lambda line: None)


def _take_zip(path: Path, folder: Path, limits: Limits) -> str:
    name = display_name(path.name)
    unpacked = _unpack_zip(path, folder.parent, limits)
    found = find_inputs(_inner(unpacked))
    if len(found) > 1:
        raise SourceError(f"{name} holds {len(found)} videos or folders of images: put one into a zip")
    if found[0].is_file():
        check_video(found[0], limits)
        found[0].rename(folder / found[0].name)
    else:
        folder.rmdir()
        found[0].rename(folder)
    shutil.rmtree(unpacked.parent, ignore_errors=True)
    return path.stem


def _inner(folder: Path) -> Path:
    """The folder in which there is more than one other folder."""
    while True:
        shutil.rmtree(folder / "__MACOSX", ignore_errors=True)
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        folder = entries[0]


def _link(file: Path, target: Path) -> None:
    """Bring a file to another place, without a copy where that is possible."""
    if not is_inside(target.name):
        raise SourceError(f"{display_name(file.name)!r} cannot be the name of a file: give it another")
    try:
        os.link(file, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(file, target)


def take_proposals(uploads: Sequence[str | Path], folder: Path, video: str, limits: Limits) -> None:
    """Bring files of proposals into a new folder, and read them as far as that goes without the video.

    Args:
        uploads: a JSON file of the video or one per frame, with ``categories.json``; or a zip of them.
        folder: is made.
        video: its name.
        limits: on their number and size.

    Raises:
        SourceError, DatasetError: one line that names the file.
    """
    files = [Path(upload) for upload in uploads]
    check_sizes(files, limits)
    unpacked = None
    if len(files) == 1 and files[0].suffix.lower() == ".zip":
        unpacked = _unpack_zip(files[0], folder.parent, limits)
        files = [path for path in sorted(unpacked.rglob("*.json")) if not path.name.startswith(".")]
    categories = [file for file in files if file.name == CATEGORIES]
    found = [file for file in files if file.name != CATEGORIES]
    others = [file for file in found if file.suffix.lower() != ".json"]
    if others or not found or len(categories) != 1:
        have = f"{display_name(others[0].name)} is none" if others else "one of both is missing"
        raise SourceError(f"files of another program are {CATEGORIES} and a .json (or one per frame): {have}")
    folder.mkdir()
    _link(categories[0], folder / CATEGORIES)
    # One may be called as it likes; of several, each is called as its frame.
    place = folder if len(found) == 1 else folder / video
    place.mkdir(exist_ok=True)
    for file in found:
        if (place / file.name).exists():
            raise SourceError(f"two files are called {display_name(file.name)}: those of one video are needed")
        _link(file, place / file.name)
    if unpacked is not None:
        shutil.rmtree(unpacked.parent, ignore_errors=True)
    path = found_proposals(folder)
    assert path is not None
    FilesProposer(str(path)).check(video)


def found_proposals(folder: Path) -> Path | None:
    """What :class:`FilesProposer` is to read of a folder that :func:`take_proposals` made; None if there is none."""
    if not folder.is_dir():
        return None
    return next((path for path in folder.glob("*.json") if path.name != CATEGORIES), folder)
