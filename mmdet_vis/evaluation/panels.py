"""Sequences drawn on one frame side by side, small enough to stand in a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.ytvis import Annotations, GroundTruth
from mmdet_vis.data.sources import ImageFilesSource, is_inside
from mmdet_vis.errors import DatasetError, SourceError
from mmdet_vis.structures import RLE
from mmdet_vis.structures.masks import decode_masks
from mmdet_vis.visualization.overlay import draw_overlay

_MAX_SIDE = 480  # pixels of one panel
_JPEG_QUALITY = 80
_GAP = 6  # white pixels between panels


class Layer:
    """Sequences that are drawn together: masks ``[T]`` each, tags, and numbers that give the colours."""

    def __init__(self) -> None:
        self.masks: list[Sequence[RLE | None]] = []
        self.labels: list[str] = []
        self.numbers: list[int] = []

    def add(self, masks: Sequence[RLE | None], label: str, number: int) -> None:
        """Add a sequence; the first one is on top."""
        self.masks.append(masks)
        # One line, without the half surrogate pairs that JSON may hold: no font has them.
        self.labels.append(" ".join(label.encode("utf-8", "replace").decode("utf-8").split()))
        self.numbers.append(number)

    def add_object(self, dataset: Annotations, truth: GroundTruth, number: int) -> None:
        """Add an annotated object."""
        name = dataset.categories[truth.category_id]
        self.add(truth.masks.rles, f"{name} (crowd)" if truth.crowd else name, number)

    def draw(self, frame: NDArray[np.uint8], t: int) -> NDArray[np.uint8]:
        """Draw frame ``t`` on a picture of any size."""
        present = [n for n, masks in enumerate(self.masks) if masks[t] is not None]
        decoded = decode_masks([rle for n in present if (rle := self.masks[n][t]) is not None])
        size = (frame.shape[1], frame.shape[0])
        small = [cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) for mask in decoded]
        return draw_overlay(frame, small, [self.labels[n] for n in present], [self.numbers[n] for n in present])


def frame_paths(img_prefix: Path, names: Any, length: int, label: str) -> list[Path]:
    """The frames of a video of an annotation file, which messages call ``label``, by its ``file_names``.

    Raises:
        DatasetError: there are not as many paths below the folder.
    """
    if not isinstance(names, list) or len(names) != length or not all(map(is_inside, names)):
        raise DatasetError(
            f"{label} has no list 'file_names' of {length} paths below the image folder: add it, or leave out the "
            "folder of the images"
        )
    return [img_prefix / name for name in names]


def read_small(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """A frame of a known size, ``[h, w, 3]`` uint8 BGR, reduced to the size of a panel.

    Raises:
        SourceError: it cannot be read or has another size.
    """
    source = ImageFilesSource([path], path.stem)
    if (source.height, source.width) != (height, width):
        raise SourceError(
            f"{path} is {source.width}x{source.height}, the annotations say {width}x{height}: give the frames that "
            "were annotated"
        )
    scale = min(1.0, _MAX_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(source.read(0, 1)[0], size, interpolation=cv2.INTER_AREA), np.uint8)


def draw_panels(frame: NDArray[np.uint8], layers: Sequence[Layer], t: int) -> bytes:
    """JPEG of frame ``t`` with each layer drawn on a copy of its own, from left to right."""
    gap = np.full((frame.shape[0], _GAP, 3), 255, np.uint8)
    panels = [part for layer in layers for part in (gap, layer.draw(frame, t))][1:]
    _, data = cv2.imencode(".jpg", np.hstack(panels), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(data.tobytes())
