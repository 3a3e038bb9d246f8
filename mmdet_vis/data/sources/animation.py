"""Animated WebP, PNG and AVIF files as videos, with the times of their frames (animated GIFs are read by FFmpeg)."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...errors import SourceError
from .base import Frame, FrameSource
from .image_colour import PILLOW_ERRORS, colours_of_codes, colours_of_profile
from .image_files import MAX_IMAGE_PIXELS
from .naming import unique_names
from .orientation import Orientation, exif_orientation
from .video_time import timing

_FORMATS = ("WEBP", "PNG", "AVIF")
# Decoders hold three pictures with transparency at once.
_MOST_PIXELS = MAX_IMAGE_PIXELS // 4
_MILLISECOND = Fraction(1, 1000)
# Browsers show a frame without a time of its own for so long.
_DEFAULT_MS = 100


class AnimationSource(FrameSource):
    """An animated WebP, PNG or AVIF file as a sequence of frames; Pillow decodes.

    Opening decodes it once: only then are its times, and the number of its frames, known for certain.

    Args:
        path: the file.
        cache_bytes: bound on the memory of decoded frames; each frame builds on the one before, so reading backwards
            decodes from the start again as often as these run out.

    Raises:
        SourceError: it cannot be decoded, or is too large.
    """

    def __init__(self, path: str | os.PathLike[str], cache_bytes: int = 128 * 2**20) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._cache: dict[int, Frame] = {}
        self._first = 0
        self._image: Any = self._open()
        self.name = unique_names([self._path])[0]
        self._orientation = Orientation.of_exif(exif_orientation(self._image))
        with self._path.open("rb") as file:
            coded = colours_of_codes(file.read(2**16))
        self._colours = coded or colours_of_profile(self._image.info.get("icc_profile"))
        self.height, self.width = self._orientation.upright_size((self._image.height, self._image.width))
        self._cache_size = max(cache_bytes // (3 * self.height * self.width), 1)
        stamps, end, self.warnings = self._scan()
        if not stamps:
            self.close()
            raise SourceError(f"{self._path}: no frame can be decoded; the file is damaged or empty: replace it")
        found = timing(stamps, _MILLISECOND, None, last=end - stamps[-1])
        self.fps, self.times, self.last = found.fps, found.times, found.last
        self.frame_names = [f"{frame:05d}" for frame in range(len(stamps))]

    def read(self, start: int, stop: int) -> list[Frame]:
        """See :meth:`FrameSource.read`."""
        self._check_range(start, stop)
        with self._lock:
            frames = []
            for index in range(start, stop):
                if index not in self._cache:
                    self._decode_to(index)
                frames.append(self._cache[index].copy())
            return frames

    def close(self) -> None:
        """Close the file; reading afterwards opens it again."""
        with self._lock:
            self._cache.clear()
            if self._image is not None:
                self._image.close()
            self._image = None

    def _open(self) -> Any:
        try:
            image = Image.open(self._path, formats=_FORMATS)
        except PILLOW_ERRORS as error:
            raise SourceError(f"{self._path}: cannot be decoded as an image; replace or remove this file") from error
        if image.width * image.height > _MOST_PIXELS:
            image.close()
            raise SourceError(f"{self._path}: has frames of more than {_MOST_PIXELS} pixels; scale it down")
        return image

    def _scan(self) -> tuple[list[int], int, list[str]]:
        """Decode all frames once: their times and the end in milliseconds, and what there is to say of them."""
        # A PNG may begin with a picture for programs that show one only.
        self._first = int(bool(getattr(self._image, "default_image", False)))
        stamps, time, unset, clear, problem = [], 0.0, 0, 0, ""
        announced = max(getattr(self._image, "n_frames", 1) - self._first, 0)
        for index in range(announced):
            try:
                self._image.seek(self._first + index)
                self._image.load()
            except PILLOW_ERRORS:
                problem = f"damaged; only the {index} of {announced} frames before the damage are used"
                break
            stamps.append(round(time))  # as a float: those of a PNG may be fractions
            duration = float(self._image.info.get("duration") or 0)
            unset += duration <= 0
            time += duration if duration > 0 else _DEFAULT_MS
            clear += self._image.has_transparency_data and self._image.convert("RGBA").getextrema()[3][0] < 255
        notes = [problem] if problem else []
        if self._colours is not None:
            notes.append(f"is not sRGB ({self._colours.note})")
        if unset and len(stamps) > 1:
            notes.append(f"{unset} of {len(stamps)} frames have no duration: each is shown for {_DEFAULT_MS} ms")
        if clear:
            notes.append(f"{clear} of {len(stamps)} frames have transparent pixels, which are shown black")
        return stamps, round(time), [f"{self._path}: {note}" for note in notes]

    def _decode_to(self, index: int) -> None:
        """Decode up to a frame, from where the decoder is, and keep the last of those on the way."""
        try:
            at = self._image.tell() - self._first if self._image is not None else len(self)
            if at > index:
                # Opened anew: Pillow loses count in an animated PNG that it goes back in.
                if self._image is not None:
                    self._image.close()
                self._image, at = self._open(), 0
            for number in range(max(at, 0), index + 1):
                self._image.seek(self._first + number)
                self._cache.pop(number, None)
                self._cache[number] = self._picture()
                while len(self._cache) > self._cache_size:
                    self._cache.pop(next(iter(self._cache)))
        except PILLOW_ERRORS as error:
            raise SourceError(f"{self._path}: frame {index} is gone; the file changed, run again") from error

    def _picture(self) -> Frame:
        if self._image.has_transparency_data:
            rgb = np.asarray(self._image.convert("RGBA").convert("RGBa"))[..., :3]  # its alpha multiplied in
        else:
            rgb = np.asarray(self._image.convert("RGB"))
        frame = self._orientation.apply(rgb[..., ::-1])
        return frame if self._colours is None else self._colours.apply(frame)
