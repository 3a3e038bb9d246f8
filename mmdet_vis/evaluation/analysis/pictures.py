"""Pictures of videos: annotated objects beside predictions, small enough to stand in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.sources import ImageFilesSource, is_inside
from mmdet_vis.errors import DatasetError, SourceError
from mmdet_vis.evaluation.analysis.analyze import Analysis
from mmdet_vis.evaluation.analysis.video_table import VideoTable, objects_of
from mmdet_vis.evaluation.ytvis.entries import read_predictions
from mmdet_vis.structures import RLE
from mmdet_vis.structures.masks import decode_masks
from mmdet_vis.visualization.overlay import draw_overlay

FRAMES = 4
"""Pictures of a video at most."""
_MAX_SIDE = 480  # pixels of one of the two halves
_MAX_SHOWN = 12  # predictions drawn in a video
_JPEG_QUALITY = 80
_GAP = 6  # white pixels between the halves


def draw_videos(
    analysis: Analysis,
    tables: Sequence[VideoTable],
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    img_prefix: Path,
) -> dict[int, list[tuple[int, bytes]]]:
    """Draw a few frames of each of some videos, objects on the left and predictions on the right.

    Args:
        analysis: of these results.
        tables: of the videos to draw.
        results, annotations: contents of the two files.
        img_prefix: folder that the ``file_names`` of the videos are relative to.

    Returns:
        by video id: (frame number, JPEG) of :data:`FRAMES` frames at most, evenly spread over those with objects.

    Raises:
        DatasetError: if a video has no ``file_names``.
        SourceError: if a frame cannot be read or has another size than its video.
    """
    files = {video["id"]: video.get("file_names") for video in annotations["videos"]}
    pictures = {}
    for table in tables:
        video = analysis.dataset.videos[table.video_id]
        names = files[table.video_id]
        if not isinstance(names, list) or len(names) != video.length or not all(map(is_inside, names)):
            raise DatasetError(
                f"{analysis.dataset.name}: video {video.id} has no list 'file_names' of {video.length} paths below the "
                "image folder: add it, or leave out the folder of the images"
            )
        truth = _Layer.of_objects(analysis, table)
        shown = _Layer.of_predictions(analysis, table, results)
        pictures[table.video_id] = [
            (t, _draw(_read(img_prefix / names[t], video.height, video.width), truth, shown, t))
            for t in _choose(table, analysis)
        ]
    return pictures


class _Layer:
    """Sequences that are drawn together: masks, tags, and numbers that give the colours."""

    def __init__(self) -> None:
        self.masks: list[list[RLE | None]] = []
        self.labels: list[str] = []
        self.numbers: list[int] = []

    def add(self, masks: list[RLE | None], label: str, number: int) -> None:
        self.masks.append(masks)
        # One line, without the half surrogate pairs that JSON may hold: no font has them.
        self.labels.append(" ".join(label.encode("utf-8", "replace").decode("utf-8").split()))
        self.numbers.append(number)

    @classmethod
    def of_objects(cls, analysis: Analysis, table: VideoTable) -> _Layer:
        """All objects; the smallest ones, which others may hide, on top."""
        layer = cls()
        objects = list(enumerate(objects_of(analysis.dataset, table.video_id), start=1))
        for number, truth in sorted(objects, key=lambda item: item[1].average_area):
            name = analysis.dataset.categories[truth.category_id]
            layer.add(truth.masks.rles, f"{name} (crowd)" if truth.crowd else name, number)
        return layer

    @classmethod
    def of_predictions(cls, analysis: Analysis, table: VideoTable, results: Sequence[Mapping[str, Any]]) -> _Layer:
        """The best predictions with a type, each mask sequence once, in the colour of the object they refer to."""
        layer, seen = cls(), set()
        shown = zip(table.entries.tolist(), table.classified.types, table.classified.targets.tolist(), strict=False)
        items = list(shown)
        entries = [(entry, dict(results[entry])) for entry, _, _ in items]
        video = analysis.dataset.videos[table.video_id]
        free = len(table.object_ids)
        for prediction, (_, kind, target) in zip(read_predictions(entries, video), items, strict=True):
            if id(prediction.masks) in seen or len(layer.masks) == _MAX_SHOWN:
                continue
            seen.add(id(prediction.masks))
            if target < 0:
                free += 1
            name = analysis.dataset.categories[prediction.category_id]
            label = f"{name} {prediction.score:.2f} {kind.value}"
            layer.add(prediction.masks.rles, label, target + 1 if target >= 0 else free)
        return layer

    def draw(self, frame: NDArray[np.uint8], t: int) -> NDArray[np.uint8]:
        """Draw frame ``t`` on a picture of any size."""
        present = [n for n, masks in enumerate(self.masks) if masks[t] is not None]
        decoded = decode_masks([rle for n in present if (rle := self.masks[n][t]) is not None])
        size = (frame.shape[1], frame.shape[0])
        small = [cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) for mask in decoded]
        return draw_overlay(frame, small, [self.labels[n] for n in present], [self.numbers[n] for n in present])


def _choose(table: VideoTable, analysis: Analysis) -> list[int]:
    """Frames to draw: evenly spread over those in which an object is visible."""
    truths = objects_of(analysis.dataset, table.video_id)
    visible = np.flatnonzero(np.any([truth.masks.areas > 0 for truth in truths], axis=0))
    if not len(visible):
        return [0]
    return sorted(set(visible[np.linspace(0, len(visible) - 1, FRAMES).round().astype(int)].tolist()))


def _read(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """A frame, reduced to the size of a picture."""
    source = ImageFilesSource([path], path.stem)
    if (source.height, source.width) != (height, width):
        raise SourceError(
            f"{path} is {source.width}x{source.height}, the annotations say {width}x{height}: give the frames that "
            "were annotated"
        )
    scale = min(1.0, _MAX_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(source.read(0, 1)[0], size, interpolation=cv2.INTER_AREA), np.uint8)


def _draw(frame: NDArray[np.uint8], truth: _Layer, shown: _Layer, t: int) -> bytes:
    """JPEG of frame ``t``, objects on the left and predictions on the right."""
    gap = np.full((frame.shape[0], _GAP, 3), 255, np.uint8)
    both = np.hstack([truth.draw(frame, t), gap, shown.draw(frame, t)])
    _, data = cv2.imencode(".jpg", both, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(data.tobytes())
