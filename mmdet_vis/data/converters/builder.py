"""Building an annotation file in the YouTube-VIS format."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_vis.data.sources.image_files import MAX_IMAGE_PIXELS
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.structures import RLE, areas


class YtvisBuilder:
    """Videos, categories and objects as they are found, and the file in the end.

    Attributes:
        ignored: what was left out and how often, for the user.
    """

    def __init__(self, description: str) -> None:
        self.ignored: Counter[str] = Counter()
        self._description = description
        self._videos: list[dict[str, Any]] = []
        self._categories: dict[str, dict[str, Any]] = {}
        self._annotations: list[dict[str, Any]] = []

    def category_id(self, name: str, category_id: int | None = None) -> int:
        """Id of the category ``name``; a new one gets ``category_id``, or the next number from 1."""
        if name not in self._categories:
            number = len(self._categories) + 1 if category_id is None else category_id
            self._categories[name] = {"id": number, "name": name}
        return self._categories[name]["id"]

    def add_video(
        self, file_names: Sequence[str], height: int, width: int, video_id: int | None = None, **extra: Any
    ) -> int:
        """Add a video with T frame files, paths with ``/`` relative to the image folder.

        Args:
            file_names: at least one.
            height: of its frames in pixels.
            width: of its frames in pixels.
            video_id: the next number from 1 by default.
            extra: further keys of its entry.

        Returns:
            its id.

        Raises:
            DatasetError: its frames would have more than :data:`MAX_IMAGE_PIXELS` pixels, as no image that is read has.
        """
        check_frame_size(height, width, file_names[0])
        number = len(self._videos) + 1 if video_id is None else video_id
        entry = {"id": number, "height": height, "width": width, "length": len(file_names)}
        self._videos.append({**entry, "file_names": list(file_names), **extra})
        return number

    def add_object(self, video_id: int, category_id: int, masks: Sequence[RLE | None], iscrowd: int = 0) -> None:
        """Add an object with its T masks; None and empty ones mean that it is not visible.

        Boxes ``[x, y, width, height]`` and areas are those of the masks. One that is never visible is left out.
        """
        rles = [None if rle is None or not coco_mask.area(rle) else rle for rle in masks]
        visible = [rle for rle in rles if rle is not None]
        if not visible:
            self.ignored["objects without a pixel"] += 1
            return
        height, width = visible[0]["size"]
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "video_id": video_id,
                "category_id": category_id,
                "iscrowd": iscrowd,
                "height": height,
                "width": width,
                "segmentations": rles,
                "bboxes": [None if rle is None else coco_mask.toBbox(rle).tolist() for rle in rles],
                "areas": [None if rle is None else int(areas([rle])[0]) for rle in rles],
            }
        )

    def content(self, annotated: bool = True) -> dict[str, Any]:
        """The contents of the file; without ground truth its ``annotations`` are null."""
        return {
            "info": {"description": self._description},
            "videos": self._videos,
            "categories": list(self._categories.values()),
            "annotations": self._annotations if annotated else None,
        }

    def write(self, path: str | Path) -> None:
        """Write the file in one step; its folder is made if need be.

        Raises:
            DatasetError: there is no video, or no category.
            OutputError: the file cannot be written.
        """
        if not self._videos or not self._categories:
            missing = "video" if not self._videos else "category (no object is labelled)"
            raise DatasetError(f"{path} is not written: {self._description} has no {missing}; check the input")
        path = Path(path)
        ensure_writable_dir(path.parent)
        atomic_write(path, json.dumps(self.content()))

    def summary(self) -> str:
        """One line on what was found and what was ignored."""
        frames = sum(video["length"] for video in self._videos)
        line = f"{len(self._videos)} videos, {frames} frames, {len(self._annotations)} objects, "
        line += f"{len(self._categories)} categories"
        ignored = ", ".join(f"{number} {what}" for what, number in sorted(self.ignored.items()))
        return f"{line}; ignored: {ignored}" if ignored else line


def check_frame_size(height: int, width: int, name: str) -> None:
    """Refuse sizes of frames that no image has: masks of such a size would ask for any amount of memory.

    Raises:
        DatasetError: more than :data:`MAX_IMAGE_PIXELS` pixels; ``name`` is the file that says so.
    """
    if height * width > MAX_IMAGE_PIXELS:
        raise DatasetError(f"{name} is said to be {width!s:.20}x{height!s:.20}, more than {MAX_IMAGE_PIXELS} pixels")


def merge_masks(masks: Sequence[RLE]) -> RLE | None:
    """The union of masks of one size; None if there are none."""
    if len(masks) < 2:
        return masks[0] if masks else None
    merged = coco_mask.merge(list(masks))
    return RLE(size=[int(side) for side in merged["size"]], counts=merged["counts"].decode("ascii"))


def polygon_mask(points: Sequence[Sequence[float]], height: int, width: int) -> RLE:
    """The mask of a polygon of (x, y) points in pixels, clipped to the frame.

    Raises:
        DatasetError: fewer than 3 points, or coordinates that are not finite or far outside the frame.
    """
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.ndim != 2 or array.shape[1:] != (2,) or len(array) < 3 or not np.isfinite(array).all():
        raise DatasetError("a polygon needs at least 3 points (x, y), finite numbers")
    # pycocotools takes time and memory with the length of the outline.
    if np.abs(array).max() > 10 * max(height, width):
        raise DatasetError(f"a polygon lies far outside the frame of {width}x{height}")
    rle = coco_mask.frPyObjects([array.ravel().tolist()], height, width)[0]
    return RLE(size=[height, width], counts=rle["counts"].decode("ascii"))
