"""Frames from image files: a folder of frames, or a single image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...errors import SourceError
from .base import Frame, FrameSource
from .image_files import IMAGE_SUFFIXES, MAX_IMAGE_PIXELS, read_header
from .naming import display_name, natural_key, unique_names


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the image files of a folder and its other entries, in natural order and without hidden ones."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error.strerror}); check the folder's rights") from error
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    chosen = set(images)
    return images, [entry for entry in entries if entry not in chosen]


if "OPENCV_LOG_LEVEL" not in os.environ:
    # What is wrong with an image is one line of ours; OpenCV would add several of its own.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class ImageFilesSource(FrameSource):
    """Frames from image files, in the order given; files are decoded by OpenCV as 8-bit colour when they are
    read.

    Opening reads every file once and checks, without decoding its pixels, that it is whole and that all
    frames have one size. The size that counts is that of the upright image, after a rotation in Exif data.

    Args:
        files: at least one image file.
        name: name of the video.

    Raises:
        SourceError: a file that cannot be read, is cut short, or has another size than the first.
    """

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self.name = name
        self.fps = None
        self.warnings = []
        self.frame_names = unique_names(files)
        self._files = list(files)
        self.height, self.width = self._size_of(self._files[0])
        for file in self._files[1:]:
            height, width = self._size_of(file)
            if (height, width) != (self.height, self.width):
                raise SourceError(
                    f"{file}: is {width}x{height} but {self._files[0].name} is {self.width}x{self.height}; "
                    "all frames of a video must have one size: resize this file or move it away"
                )

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        frames = []
        for file in self._files[start:stop]:
            frame = _decode(file, _read_bytes(file))
            if frame.shape != (self.height, self.width, 3):
                raise SourceError(f"{file}: changed its size while it was in use; run again")
            frames.append(frame)
        return frames

    def _size_of(self, file: Path) -> tuple[int, int]:
        """Size (height, width) at which OpenCV shows the file, after checking that it is whole."""
        data = _read_bytes(file)
        header = read_header(data)
        if header.problem:
            raise SourceError(f"{file}: {header.problem}; replace or remove this file")
        if header.size and header.size[0] * header.size[1] > MAX_IMAGE_PIXELS:
            raise SourceError(
                f"{file}: is {header.size[1]}x{header.size[0]}, more than {MAX_IMAGE_PIXELS} pixels; scale it down"
            )
        if header.size and min(header.size) > 0 and header.upright:
            return header.size
        height, width = _decode(file, data).shape[:2]
        return height, width


class FolderSource(ImageFilesSource):
    """The images of a folder as a video, in natural order (frame2 before frame10).

    Hidden entries are skipped; anything else that is not an image is ignored with one warning.

    Args:
        path: a folder that directly holds .jpg, .jpeg, .png, .webp or .bmp files, endings in any case.

    Raises:
        SourceError: no images, or a file that cannot be used (see :class:`ImageFilesSource`).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path)
        images, others = list_images(folder)
        if not images:
            raise SourceError(
                f"{folder}: holds no images; a frame folder needs {', '.join(sorted(IMAGE_SUFFIXES))} files"
            )
        super().__init__(images, unique_names([folder])[0])
        if others:
            noun = "entry that is not an image" if len(others) == 1 else "entries that are not images"
            first = display_name(others[0].name)
            self.warnings.append(f"{folder}: ignored {len(others)} {noun}, the first is {first}")


def _read_bytes(file: Path) -> bytes:
    try:
        # A pipe would never end, a device give without end; both can stand behind a name of an annotation file.
        if file.exists() and not file.is_file():
            raise SourceError(f"{file}: is not a file; replace or remove it")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file}: cannot be read ({error.strerror}); check the file and its rights") from error


def _decode(file: Path, data: bytes) -> Frame:
    """Decode as ``cv2.imread(file)`` does; from memory, since OpenCV only takes names that are UTF-8."""
    try:
        frame = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        frame = None
    if frame is None:
        raise SourceError(f"{file}: cannot be decoded as an image; replace or remove this file")
    return np.asarray(frame, dtype=np.uint8)
