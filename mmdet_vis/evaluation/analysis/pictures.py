"""Pictures of videos: annotated objects beside predictions, small enough to stand in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_vis.evaluation.analysis.analyze import Analysis
from mmdet_vis.evaluation.analysis.video_table import VideoTable, objects_of
from mmdet_vis.evaluation.panels import Layer, draw_panels, frame_paths, read_small
from mmdet_vis.evaluation.ytvis.entries import read_predictions

FRAMES = 4
"""Pictures of a video at most."""
_MAX_SHOWN = 12  # predictions drawn in a video


def draw_videos(
    analysis: Analysis,
    tables: Sequence[VideoTable],
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    img_prefix: Path,
) -> dict[int, list[tuple[int, bytes]]]:
    """Draw a few frames of each of some videos, objects on the left and predictions on the right.

    The ``file_names`` of the videos are relative to ``img_prefix``.

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
        label = f"{analysis.dataset.name}: video {video.id}"
        paths = frame_paths(img_prefix, files[table.video_id], video.length, label)
        layers = _objects(analysis, table), _predictions(analysis, table, results)
        pictures[table.video_id] = [
            (t, draw_panels(read_small(paths[t], video.height, video.width), layers, t))
            for t in _choose(table, analysis)
        ]
    return pictures


def _objects(analysis: Analysis, table: VideoTable) -> Layer:
    """All objects; the smallest ones, which others may hide, on top."""
    layer = Layer()
    objects = list(enumerate(objects_of(analysis.dataset, table.video_id), start=1))
    for number, truth in sorted(objects, key=lambda item: item[1].average_area):
        layer.add_object(analysis.dataset, truth, number)
    return layer


def _predictions(analysis: Analysis, table: VideoTable, results: Sequence[Mapping[str, Any]]) -> Layer:
    """The best predictions with a type, each mask sequence once, in the colour of the object they refer to."""
    layer, seen = Layer(), set()
    found = table.classified
    items = list(zip(table.entries.tolist(), found.types, found.targets.tolist(), strict=False))
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


def _choose(table: VideoTable, analysis: Analysis) -> list[int]:
    """Frames to draw: evenly spread over those in which an object is visible."""
    truths = objects_of(analysis.dataset, table.video_id)
    visible = np.flatnonzero(np.any([truth.masks.areas > 0 for truth in truths], axis=0))
    if not len(visible):
        return [0]
    return sorted(set(visible[np.linspace(0, len(visible) - 1, FRAMES).round().astype(int)].tolist()))
