"""A training sample as arrays, the form that transforms work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.errors import SourceError, UserError
from mmdet_vis.structures import decode_masks
from mmdet_vis.structures.boxes import mask_boxes
from mmdet_vis.structures.clip import FrameTargets, TrainingClip
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle


class BrokenSampleError(UserError):
    """A file of a sample that cannot be used; ``file`` names it."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file


@dataclass
class RawFrame:
    """An image with its objects.

    Attributes:
        image: ``[h, w, 3]`` uint8, BGR.
        boxes: ``[N, 4]`` float32 inclusive boxes in pixels, which may leave the image.
        labels: ``[N]`` int64 classes, 1-based.
        masks: ``[N, h, w]`` uint8, 0 or 1.
        ids: ``[N]`` int64, unique in the frame.
        ignored: ``[M, 4]`` float32 boxes of regions in which nothing is taught as background.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8]
    ids: NDArray[np.int64]
    ignored: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def visible(self) -> NDArray[np.bool_]:
        """Whether each object's mask holds a pixel: ``[N]`` bool."""
        return np.asarray(self.masks.any(axis=(1, 2)), bool)


@dataclass
class RawClip:
    """T frames of one size, in the order of :class:`~mmdet_vis.structures.clip.TrainingClip`."""

    frames: list[RawFrame]
    exhaustive: bool
    name: str

    def finish(self) -> TrainingClip:
        """The sample as tensors, its boxes clipped to ``[0, w] x [0, h]`` (that far, not to w - 1, as published)."""
        images = np.stack([frame.image.transpose(2, 0, 1) for frame in self.frames])
        return TrainingClip(torch.from_numpy(images), [_targets(f) for f in self.frames], self.exhaustive, self.name)


def _targets(frame: RawFrame) -> FrameTargets:
    height, width = frame.size
    limits = np.array([width, height, width, height], np.float32)
    arrays = (frame.boxes.clip(0, limits), frame.labels, frame.masks, frame.ids, frame.ignored.clip(0, limits))
    return FrameTargets(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def tight_boxes(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Tight inclusive boxes of masks ``[N, h, w]``: ``[N, 4]`` float32, zeros where a mask is empty."""
    return mask_boxes(torch.from_numpy(masks != 0), margin=0)[0].numpy()


def decode_segmentations(objects: Iterable[tuple[str, Any]], size: tuple[int, int], file: Path) -> NDArray[np.uint8]:
    """Masks ``[N, h, w]`` uint8, 0 or 1, of objects of an image ``file`` of a size (height, width).

    Of each there is what messages call it, and its segmentation as annotation files have it.

    Raises:
        BrokenSampleError: one is missing, or is no mask of this size.
    """
    rles = []
    for name, segmentation in objects:
        try:
            rle = checked_rle(segmentation, *size)
        except InvalidMaskError as error:
            raise BrokenSampleError(str(file), f"{name} has a mask that {error.reason}") from None
        if rle is None:
            raise BrokenSampleError(str(file), f"{name} has a box but no mask")
        rles.append(rle)
    return decode_masks(rles, size)


def read_image(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode an image whose (height, width) the annotations say: ``[h, w, 3]`` uint8, BGR.

    Raises:
        BrokenSampleError: it is missing, broken, or of another size.
    """
    try:
        image = ImageFilesSource([file], file.name).read(0, 1)[0]
    except SourceError as error:
        raise BrokenSampleError(str(file), str(error).removeprefix(f"{file}: ")) from error
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        raise BrokenSampleError(str(file), f"is {width}x{height}, the annotations say {size[1]}x{size[0]}")
    return image


class ImageReader:
    """:func:`read_image` that remembers: decoding a JPEG takes longer than the rest of a sample.

    Args:
        limit: bytes of decoded images that are kept; once they are reached, further images are decoded each time.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._images: dict[Path, NDArray[np.uint8]] = {}

    def __call__(self, file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :func:`read_image`; the array is shared and cannot be written to."""
        image = self._images.get(file)
        if image is None:
            image = read_image(file, size)
            image.setflags(write=False)
            if self.used + image.nbytes <= self.limit:
                self._images[file] = image
                self.used += image.nbytes
        return image


def drop_remains(clip: RawClip, min_pixels: int) -> None:
    """Forget what nobody can recognise, in place.

    Where fewer than ``min_pixels`` of an object are left, its mask becomes empty and its region is ignored. Objects
    that are nowhere to be seen are removed from the clip.
    """
    areas = [frame.masks.sum(axis=(1, 2), dtype=np.int64) for frame in clip.frames]
    seen = np.concatenate([frame.ids[area >= min_pixels] for frame, area in zip(clip.frames, areas, strict=True)])
    for frame, area in zip(clip.frames, areas, strict=True):
        remains = (area > 0) & (area < min_pixels)
        frame.ignored = np.concatenate([frame.ignored, tight_boxes(frame.masks[remains])])
        gone = area < min_pixels
        if gone.any():
            frame.masks = frame.masks * ~gone[:, None, None]
            frame.boxes = frame.boxes * ~gone[:, None]
            kept = np.isin(frame.ids, seen)
            frame.boxes, frame.labels = frame.boxes[kept], frame.labels[kept]
            frame.masks, frame.ids = frame.masks[kept], frame.ids[kept]


def has_common_object(clip: RawClip) -> bool:
    """Whether an object can be seen both in the first and in the last frame."""
    first, last = clip.frames[0], clip.frames[-1]
    return bool(np.intersect1d(first.ids[first.visible()], last.ids[last.visible()]).size)
