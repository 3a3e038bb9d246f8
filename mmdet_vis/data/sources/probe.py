"""What a video's header says of its length: quick, without decoding a frame, and not always true."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .folder import list_images
from .video_decode import announced_seconds, open_container


@dataclass(frozen=True)
class Facts:
    """Of a video or a folder of frames.

    Attributes:
        frames: about how many there are; 0 if nothing says it.
        seconds: duration; None if nothing says it.
        bytes: size of the file or of the images.
    """

    frames: int
    seconds: float | None
    bytes: int


def probe(path: Path) -> Facts:
    """What is known of a file or folder without decoding. Raises :class:`SourceError`: it is no video; ``OSError``."""
    if path.is_dir():
        images = list_images(path)[0]
        return Facts(len(images), None, sum(image.stat().st_size for image in images))
    return _facts(path, None, os.stat(path).st_size)


def probe_stream(name: str, file: BinaryIO, size: int) -> Facts:
    """The same of a file that is elsewhere: only its header is read. Raises :class:`SourceError`: it is no video."""
    return _facts(Path(name), file, size)


def _facts(path: Path, file: BinaryIO | None, size: int) -> Facts:
    container, stream = open_container(path, "AUTO", file)
    with closing(container):
        seconds = announced_seconds(container, stream)
        frames = stream.frames or round(seconds * float(stream.average_rate or 0))
        return Facts(frames, seconds or None, size)
