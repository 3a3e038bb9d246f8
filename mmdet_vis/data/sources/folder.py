"""Frames from image files: a folder of frames, or a single image."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from ...errors import SourceError
from .base import Frame, FrameSource
from .file_kinds import not_read
from .image_colour import Colours, colours_of_image
from .image_decode import decode_deep, decode_image, is_transparent, levels_of
from .image_files import IMAGE_SUFFIXES, MAX_IMAGE_PIXELS, ImageHeader, read_header
from .naming import display_name, is_debris, last_number, natural_key, unique_names


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the image files of a folder and its other entries, in natural order and without hidden ones."""
    entries = _entries(folder)
    images = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    chosen = set(images)
    return images, [entry for entry in entries if entry not in chosen]


def list_files(folder: Path, suffix: str) -> list[Path]:
    """Entries of a folder with this ending, in any case, in natural order and without hidden ones.

    A folder that does not exist has none.
    """
    return _entries(folder, lambda entry: entry.suffix.lower() == suffix) if folder.is_dir() else []


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder in natural order, without hidden ones and what macOS adds to archives."""
    return _entries(folder, Path.is_dir)


def _entries(folder: Path, wanted: Callable[[Path], bool] = lambda entry: True) -> list[Path]:
    try:
        found = [entry for entry in folder.iterdir() if not is_debris(entry.name) and wanted(entry)]
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error.strerror}); check the folder's rights") from error
    return sorted(found, key=lambda entry: natural_key(entry.name))


def folders_below(root: Path, depth: int = 4) -> Iterator[Path]:
    """The folders below a folder in natural order, each before those in it; links are not followed further."""
    for folder in list_folders(root):
        yield folder
        if depth > 1 and not folder.is_symlink():
            yield from folders_below(folder, depth - 1)


class ImageFilesSource(FrameSource):
    """Frames from image files, in the order given, decoded when they are read.

    Opening reads every file once and checks, without decoding its pixels, that it is whole and that all
    frames have one size. The size that counts is that of the upright image, after a rotation in Exif data.
    Files of more than 8 bits are decoded at that time as well, to find the range that all of them use.

    Args:
        files: at least one image file. The pages of a single TIFF file are frames; among others, its first one is.
        name: name of the video.

    Raises:
        SourceError: a file that cannot be read, is cut short, or has another size than the first.
    """

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self.name = name
        self.fps = None
        self._files = list(files)
        self._colours: dict[Path, Colours] = {}
        headers = [self._inspect(file) for file in self._files]
        self.height, self.width = headers[0].size or (0, 0)
        for file, header in zip(self._files[1:], headers[1:], strict=True):
            if header.size != (self.height, self.width):
                height, width = header.size or (0, 0)
                raise SourceError(
                    f"{file}: is {width}x{height} but {self._files[0].name} is {self.width}x{self.height}; "
                    "all frames of a video must have one size: resize this file or move it away"
                )
        stack = headers[0].pages if len(headers) == 1 else (0,)
        self._pictures = [(file, page) for file in self._files for page in stack]
        names = unique_names(self._files)
        self.frame_names = names if len(stack) == 1 else [f"{index:05d}" for index in range(len(stack))]
        self._deep = {file for file, header in zip(self._files, headers, strict=True) if header.deep}
        deep = [picture for picture in self._pictures if picture[0] in self._deep]
        self._levels = levels_of(decode_deep(file, _read_bytes(file), page) for file, page in deep) if deep else None
        self.warnings = self._notes(headers, len(deep))

    @property
    def is_deep(self) -> bool:
        """Whether there are frames of more than 8 bits, which are scaled together."""
        return self._levels is not None

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        frames = []
        for file, page in self._pictures[start:stop]:
            data = _read_bytes(file)
            if self._levels is not None and file in self._deep:
                frame = self._levels.apply(decode_deep(file, data, page))
            else:
                frame = decode_image(file, data, page)
            if file in self._colours:
                frame = self._colours[file].apply(frame)
            if frame.shape != (self.height, self.width, 3):
                raise SourceError(f"{file}: changed its size while it was in use; run again")
            frames.append(frame)
        return frames

    def _inspect(self, file: Path) -> ImageHeader:
        """What the file says of itself, with the size at which it is shown, after checking that it is whole."""
        data = _read_bytes(file)
        header = read_header(data)
        header = replace(header, alpha=header.alpha and is_transparent(data))
        if header.problem:
            fix = "" if ":" in header.problem else "; replace or remove this file"
            raise SourceError(f"{file}: {header.problem}{fix}")
        if header.size and header.size[0] * header.size[1] > MAX_IMAGE_PIXELS:
            raise SourceError(
                f"{file}: is {header.size[1]}x{header.size[0]}, more than {MAX_IMAGE_PIXELS} pixels; scale it down"
            )
        colours = colours_of_image(data)
        if colours is not None:
            self._colours[file] = colours
        if header.size and min(header.size) > 0 and header.upright:
            return header
        picture = decode_deep(file, data) if header.deep else decode_image(file, data)
        return replace(header, size=(picture.shape[0], picture.shape[1]))

    def _notes(self, headers: Sequence[ImageHeader], deep: int) -> list[str]:
        """What is scaled or left out, each with its number."""
        count, place = len(self._pictures), self._files[0] if len(self._files) == 1 else self._files[0].parent
        notes = []
        if self._levels is not None:
            notes.append(f"{deep} of {count} frames have more than 8 bits: scaled from {self._levels.name}")
        if alpha := sum(header.alpha for header in headers):
            notes.append(f"{alpha} of {len(headers)} images have transparency, which is ignored")
        named = Counter(self._colours[file].note for file in self._files if file in self._colours)
        notes += [f"{number} of {len(headers)} images are not sRGB ({note})" for note, number in named.items()]
        moving = sum(header.animated or (len(headers) > 1 and header.moving) for header in headers)
        if moving:
            notes.append(f"{moving} of {len(headers)} images hold several pictures, of which the first is used")
        if stack := headers[0].stack if len(headers) == 1 else "":
            notes.append(f"its {count} pages are {stack} of ImageJ's, each a frame here: save one of them, or RGB")
        if others := sum(header.others for header in headers):
            notes.append(f"ignored {others} pictures of another size than the first of their file")
        return [f"{place}: {note}" for note in notes]


class FolderSource(ImageFilesSource):
    """The images of a folder as a video, in natural order (frame2 before frame10).

    Hidden entries are skipped; anything else that is not an image is ignored with one warning.

    Args:
        path: a folder that directly holds image files (:data:`IMAGE_SUFFIXES`), endings in any case.

    Raises:
        SourceError: no images, or a file that cannot be used (see :class:`ImageFilesSource`).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path)
        images, others = list_images(folder)
        if not images:
            hint = not_read(others) or f"a frame folder needs {', '.join(sorted(IMAGE_SUFFIXES))} files"
            raise SourceError(f"{folder}: holds no images; {hint}")
        super().__init__(images, unique_names([folder])[0])
        self.warnings += [f"{folder}: {note}" for note in doubts_of_names(images)]
        if others:
            noun = "entry that is not an image" if len(others) == 1 else "entries that are not images"
            first = display_name(others[0].name)
            self.warnings.append(f"{folder}: ignored {len(others)} {noun}, the first is {first}")


def doubts_of_names(images: Sequence[Path]) -> list[str]:
    """What the names of frames let one doubt: frames that are missing between others, and others that are no frames."""
    notes = []
    stems = Counter(image.stem.casefold() for image in images)
    double = sum(stems.values()) - len(stems)
    if double:
        notes.append(f"{double} of {len(images)} images have the name of another with another ending: each is a frame")
    numbers = [number for image in images if (number := last_number(image.stem)) is not None]
    if len(numbers) == len(images) and numbers == sorted(set(numbers)) and len(numbers) > 2:
        step = math.gcd(*(after - before for before, after in pairwise(numbers)))
        missing = (numbers[-1] - numbers[0]) // step + 1 - len(numbers)
        if 0 < missing < len(numbers):
            notes.append(f"{missing} of {missing + len(numbers)} numbers are missing: its frames follow each other")
    return notes


def _read_bytes(file: Path) -> bytes:
    try:
        # A pipe would never end, a device give without end; both can stand behind a name of an annotation file.
        if file.exists() and not file.is_file():
            raise SourceError(f"{file}: is not a file; replace or remove it")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file}: cannot be read ({error.strerror}); check the file and its rights") from error
