"""Where the frames of a stream come from: cameras, addresses, standard input, files and folders."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from mmdet_vis.data.sources import FrameSource, ImageFilesSource, open_source, unique_names
from mmdet_vis.data.sources.file_kinds import kind_of, refusal
from mmdet_vis.data.sources.folder import doubts_of_names, list_images
from mmdet_vis.data.sources.video_decode import VIDEO_SUFFIXES
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.container import AddressStream, FileStream, StdinStream
from mmdet_vis.streaming.frames import Stream, StreamFrame

STDIN = "-"
SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "srt")
_CAMERA = re.compile(r"(?:/dev/video)?(\d{1,4})")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class SourceStream(Stream):
    """The frames of a source that is opened as a whole: an image, an animation, a TIFF file, a folder.

    Args:
        source: closed by :meth:`close`.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.fps, self.pixel_aspect = source.fps, source.pixel_aspect
        self.notes.extend(source.warnings)

    def frames(self) -> Iterator[StreamFrame]:
        """See :meth:`Stream.frames`."""
        times, fps = self._source.times, self._source.fps
        for index in range(len(self._source)):
            at = times[index] if times else index / fps if fps else None
            yield StreamFrame(index, at, self._source.read(index, index + 1)[0])

    def close(self) -> None:
        """See :meth:`Stream.close`."""
        self._source.close()


class FolderStream(Stream):
    """Images of a folder in natural order; one is read at a time, so opening a long folder costs nothing but its list.

    Raises:
        SourceError: no images.
    """

    def __init__(self, folder: Path) -> None:
        self.files, others = list_images(folder)
        if not self.files:
            raise SourceError(f"{folder}: holds no images; give a folder of frames or one video")
        self.notes.extend(f"{folder}: {note}" for note in doubts_of_names(self.files))
        if others:
            self.notes.append(f"{folder}: ignored {len(others)} entries that are not images, such as {others[0].name}")

    def frames(self) -> Iterator[StreamFrame]:
        """See :meth:`Stream.frames`."""
        shape = None
        said: set[str] = set()
        for index, file in enumerate(self.files):
            source = ImageFilesSource([file], file.stem)
            image = source.read(0, 1)[0]
            shape = shape or image.shape
            if image.shape != shape:
                raise SourceError(
                    f"{file}: is {image.shape[1]}x{image.shape[0]} but the frames before are {shape[1]}x{shape[0]}; "
                    "all frames must have one size: resize this file or move it away"
                )
            # What is the matter with one is with most: the first says it.
            new = {line.removeprefix(f"{file}"): line for line in source.warnings}
            self.notes.extend(line for what, line in new.items() if what not in said)
            said |= new.keys()
            yield StreamFrame(index, None, image)


class CameraStream(Stream):
    """A camera of this machine, through OpenCV: frames as it gives them; their time is that of the computer's clock.

    Args:
        number: of the device, from 0.

    Raises:
        SourceError: there is no such camera, or something else uses it.
    """

    live = True

    def __init__(self, number: int) -> None:
        self._number = number
        # OpenCV would print its own lines about a missing camera.
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(number)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {number}: cannot be opened; check its number and that no other program uses it, or give "
                f"./{number} if a folder is meant"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else None

    def frames(self) -> Iterator[StreamFrame]:
        """See :meth:`Stream.frames`."""
        index, start, size = 0, 0.0, (0, 0)
        while True:
            whole, image = self._capture.read()
            if not whole:
                raise SourceError(f"camera {self._number}: gives no more frames after {index}; check its connection")
            now = time.monotonic()
            if index == 0:
                start, size = now, (image.shape[1], image.shape[0])
            elif (image.shape[1], image.shape[0]) != size:
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            yield StreamFrame(index, now - start, np.asarray(image, np.uint8))
            index += 1

    def close(self) -> None:
        """See :meth:`Stream.close`."""
        self._capture.release()


def open_now(source: str, timeout: float, stopped: threading.Event) -> Stream:
    """Open a source of :class:`~mmdet_vis.streaming.reader.StreamReader` and wait for it.

    A silent address is given up after ``timeout`` seconds; ``stopped`` lets reads of standard input end.

    Raises:
        SourceError: it cannot be opened.
    """
    if camera := _CAMERA.fullmatch(source):
        return CameraStream(int(camera[1]))
    if source == STDIN:
        return StdinStream(stopped)
    if _SCHEME.match(source):
        return AddressStream(source, describe(source), timeout)
    path = Path(source)
    if path.is_dir():
        stream = FolderStream(path)
        # Frames of more than 8 bits are scaled together, for which all of them have to be looked at first.
        is_deep = ImageFilesSource(stream.files[:1], "first").is_deep
        return SourceStream(open_source(path)) if is_deep else stream
    bare = path.suffix.lower() in VIDEO_SUFFIXES
    if refusal(path, kind_of(path)) or (kind_of(path) == "image" and not bare):
        return SourceStream(open_source(path))
    return FileStream(path)


def check_source(source: str) -> None:
    """Find what is wrong with a source without opening it.

    Raises:
        SourceError: nothing of that name, or an address of a kind that is not read.
    """
    scheme = _SCHEME.match(source)
    if scheme:
        if scheme[1].lower() not in SCHEMES or not urlsplit(source).netloc:
            raise SourceError(f"{describe(source)}: is no address to read from; use {', '.join(SCHEMES)}://HOST/…")
    elif source != STDIN and not _CAMERA.fullmatch(source):
        path = Path(source)
        if not source or not path.exists():
            raise SourceError(
                f"{source or '(empty)'}: no such file or folder; give a file, a folder of frames, the number of a "
                "camera, an address, or - for standard input"
            )
        if not path.is_dir() and not path.is_file():
            raise SourceError(
                f"{source}: is neither a file nor a folder; to read a pipe make it standard input, - < {source}"
            )


def describe(source: str) -> str:
    """The source for people: without the password of an address."""
    if source == STDIN:
        return "standard input"
    camera = _CAMERA.fullmatch(source)
    if camera:
        return f"camera {camera[1]}"
    # The user part ends at the last @ before the path.
    return re.sub(r"(?<=://)[^/?#]*@", "", source)


def stream_name(source: str) -> str:
    """What the results are called; usable as a file name."""
    camera = _CAMERA.fullmatch(source)
    if camera:
        return f"camera{int(camera[1])}"
    if source == STDIN:
        return "stdin"
    if _SCHEME.match(source):
        parts = urlsplit(describe(source))
        text = Path(parts.path).stem or parts.netloc
        return re.sub(r"[^\w.-]+", "_", text).strip("._")[:100] or "stream"
    return unique_names([source])[0]
