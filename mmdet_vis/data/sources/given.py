"""What a program may give as a video: paths, arrays, PIL images, one picture, or anything that yields frames."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ConfigError, SourceError
from .base import ArraySource, Frame, FrameSource
from .folder import ImageFilesSource
from .image_colour import colours_of_profile
from .inputs import open_source
from .naming import unique_names
from .orientation import Orientation, exif_orientation
from .video_decode import VIDEO_SUFFIXES

Color = Literal["bgr", "rgb"]
Picture = Frame | Image.Image
Source = str | os.PathLike[str] | FrameSource | Picture | Iterable[Picture] | Iterable[str] | Iterable[Path]

_WANTED = "a path, a list of image files, frames [T, H, W, 3] uint8, PIL images, a generator of frames or a FrameSource"


def check_color(color: str) -> None:
    """Check the order of channels that a user names. Raises :class:`ConfigError`: it is neither."""
    if color not in get_args(Color):
        raise ConfigError(f"color={color!r} is not known: use 'bgr' (OpenCV's order) or 'rgb'")


def as_source(source: Source, color: Color = "bgr", max_bytes: int | None = None) -> FrameSource:
    """Whatever a program gives as a video, as a source of frames.

    Args:
        source: a folder of frames, a video or image file; a list of image files; frames ``[T, H, W, 3]`` uint8; one
            picture ``[H, W, 3]``; PIL images; an iterable (also a generator) of such pictures; or a frame source.
        color: order of the channels of arrays. Files, PIL images and frame sources say theirs themselves.
        max_bytes: most that the frames of a generator, which must all be held, may take; None sets no bound.

    Raises:
        ConfigError: ``color`` is not known, or does not go with the source.
        SourceError: it is none of these, or cannot be read; one line that says which part of ``source`` it is.
    """
    check_color(color)
    if isinstance(source, str | os.PathLike | FrameSource):
        if color == "rgb":
            raise ConfigError(
                "color='rgb' is for arrays: files and frame sources have an order of their own; leave it out"
            )
        if source == "":
            raise SourceError("source is empty: give a path")
        return source if isinstance(source, FrameSource) else open_source(source)
    if isinstance(source, Image.Image):
        return _held([source], color, max_bytes)
    if type(source).__module__.partition(".")[0] == "torch":
        raise SourceError("source is a tensor: give frames [T, H, W, 3] uint8 as a NumPy array, or a path")
    if isinstance(source, np.ndarray):
        if source.ndim not in (3, 4):
            raise SourceError(f"source has the shape {list(source.shape)}: give frames [T, H, W, 3] or one [H, W, 3]")
        return _held(source if source.ndim == 4 else source[None], color, None)
    if isinstance(source, bytes | Mapping) or not isinstance(source, Iterable):
        raise SourceError(f"source is of type {type(source).__name__}: give {_WANTED}")
    return _from_items(source, color, max_bytes)


def bgr_frame(picture: Any, color: Color, place: str) -> Frame:
    """One picture as a frame ``[H, W, 3]`` uint8 BGR, which shares its memory where it can.

    Args:
        picture: an array ``[H, W, 3]`` uint8 with channels in the order of ``color``, or a PIL image, which is turned
            upright as its Exif data say, and brought to sRGB from the colours of its ICC profile.
        place: how messages call it.

    Raises:
        SourceError: it is neither.
    """
    if isinstance(picture, Image.Image):
        orientation = Orientation.of_exif(exif_orientation(picture))
        frame = orientation.apply(np.asarray(picture.convert("RGB"))[..., ::-1])
        colours = colours_of_profile(picture.info.get("icc_profile"))
        return frame if colours is None else colours.apply(frame)
    if not isinstance(picture, np.ndarray):
        raise SourceError(f"{place} is of type {type(picture).__name__}: give arrays [H, W, 3] uint8 or PIL images")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        shown = f"{place} is {picture.dtype} {list(picture.shape)}: a frame must be [H, W, 3] uint8"
        raise SourceError(f"{shown}; {_way(picture)}")
    return picture[..., ::-1] if color == "rgb" else picture


def _way(picture: NDArray[Any]) -> str:
    """How to make a frame of what is none."""
    if 0 in picture.shape:
        return "this one has no pixels"
    if picture.ndim == 3 and picture.shape[2] == 4:
        return "leave the fourth channel out: frame[..., :3]"
    if picture.ndim == 3 and picture.shape[0] == 3 and picture.shape[2] != 3:
        return "put the channels last: frame.transpose(1, 2, 0)"
    if picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] != 3):
        return "of grey frames [T, H, W] make numpy.repeat(frames[..., None], 3, axis=-1)"
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        return "this one has numbers that are not finite"
    if picture.dtype.kind == "f" and picture.max() <= 1:
        return "of 0 to 1 make (255 * frame).round().astype('uint8')"
    if picture.dtype == np.uint16 and picture.max() > 255:
        return "of 16 bits make (frame >> 8).astype('uint8')"
    return "of numbers from 0 to 255 make frame.astype('uint8')"


def _from_items(source: Iterable[Any], color: Color, max_bytes: int | None) -> FrameSource:
    items = iter(source)
    try:
        first = next(items)
    except StopIteration:
        raise SourceError("source holds no frames: give at least one") from None
    everything = chain([first], items)
    if not isinstance(first, str | os.PathLike):
        return _held(everything, color, max_bytes)
    if color == "rgb":
        raise ConfigError("color='rgb' is for arrays: files have an order of their own; leave it out")
    files = []
    for index, item in enumerate(everything):
        if not isinstance(item, str | os.PathLike):
            raise SourceError(f"source[{index}] is of type {type(item).__name__}, source[0] is a path: give one kind")
        if Path(item).suffix.lower() in VIDEO_SUFFIXES or os.path.isdir(item):
            raise SourceError(f"source[{index}] is {item}: a list is of image files; give each video on its own")
        files.append(Path(item))
    folders = {file.absolute().parent for file in files}
    return ImageFilesSource(files, unique_names(folders)[0] if len(folders) == 1 else "images")


def _held(pictures: Iterable[Any], color: Color, max_bytes: int | None) -> ArraySource:
    frames: list[Frame] = []
    held = 0
    notes: Counter[str] = Counter()
    for index, picture in enumerate(pictures):
        frame = bgr_frame(picture, color, f"source[{index}]")
        if frames and frame.shape != frames[0].shape:
            raise SourceError(
                f"source[{index}] is {frame.shape[1]}x{frame.shape[0]}, source[0] is "
                f"{frames[0].shape[1]}x{frames[0].shape[0]}: all frames of a video must have one size"
            )
        if isinstance(picture, Image.Image) and (colours := colours_of_profile(picture.info.get("icc_profile"))):
            notes[colours.note] += 1
        held += frame.nbytes
        if max_bytes is not None and held > max_bytes:
            raise SourceError(
                f"source has over {index} frames, which take more memory than there is: give a path, or use "
                "mmdet_vis.streaming.segment_stream, which holds a window of them"
            )
        frames.append(frame)
    if not frames:
        raise SourceError("source holds no frames: give at least one")
    source = ArraySource(frames)
    source.warnings = [f"source: {n} of {len(frames)} images are not sRGB ({note})" for note, n in notes.items()]
    return source
