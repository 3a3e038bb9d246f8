"""Compare two results by the measures of their benchmark, and get at the sequences of a video to draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_vis.data.formats.davis_layout import IMAGES, RESOLUTION, find_davis_root
from mmdet_vis.data.formats.ytvis import Annotations, GroundTruth, Video, index_annotations
from mmdet_vis.data.sources.naming import natural_key
from mmdet_vis.errors import DatasetError, option
from mmdet_vis.evaluation.comparison.pictures import VideoLayers
from mmdet_vis.evaluation.davis import evaluate_sequences
from mmdet_vis.evaluation.davis.dataset import annotated_sequences
from mmdet_vis.evaluation.davis.evaluate import VOID, read_pair
from mmdet_vis.evaluation.panels import Layer, frame_paths
from mmdet_vis.evaluation.resampling import DRAWS, Difference, VideoGain, find_differences, video_gains
from mmdet_vis.evaluation.tracking import evaluate_index_pngs, evaluate_tracking
from mmdet_vis.evaluation.tracking.evaluate import masks_by_number, sequences_by_number
from mmdet_vis.evaluation.weighted import WeightedAP, WeightedMeans, WeightedTogether, WeightedTracking
from mmdet_vis.evaluation.ytvis import evaluate
from mmdet_vis.evaluation.ytvis.entries import group_entries, of_known_categories, read_predictions
from mmdet_vis.evaluation.ytvis.sequence_iou import sequence_iou

_MAX_SHOWN = 12  # predictions drawn in a video
_SAME = 0.1  # sequence IoU from which a prediction gets the colour of an object


@dataclass(frozen=True)
class Comparison:
    """Two results, A and B, on the same videos.

    Attributes:
        videos: names.
        measures: by measure, the one that decides first.
        gains: the videos, the one that B gains most in first.
        layers: what to draw of a video, by its position in ``videos``.
        has_frames: its frames are known, so it can be drawn.
    """

    videos: Sequence[str]
    measures: Sequence[Difference]
    gains: Sequence[VideoGain]
    layers: Callable[[int], VideoLayers]
    has_frames: bool

    def to_json(self) -> dict[str, Any]:
        """All figures, in [0, 1]; what cannot be said is None."""
        gains = [{**vars(gain), "video": self.videos[gain.video]} for gain in self.gains]
        return {
            "videos": len(self.videos),
            "verdict": {1: "B", -1: "A", 0: None}[self.measures[0].verdict],
            "measures": {m.name: _plain({k: v for k, v in vars(m).items() if k != "name"}) for m in self.measures},
            "gains": [_plain(gain) for gain in gains],
        }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(v, float) and np.isnan(v) else v for key, v in values.items()}


def compare_ytvis(
    results: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    annotations: Mapping[str, Any],
    *,
    score_thr: float = 0.2,
    img_prefix: Path | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    names: tuple[str, str] = ("A", "B"),
    annotations_name: str = "annotations",
) -> Comparison:
    """Compare YouTube-VIS results by AP, and by the measures of tracking.

    Args:
        results, annotations: of A and of B, see :func:`mmdet_vis.evaluation.ytvis.evaluate`.
        score_thr: sequences from this score on count for the measures of tracking, and are drawn.
        img_prefix: folder that the ``file_names`` of the videos are relative to; None: nothing can be drawn.
        seed, draws: of the resampling: see :mod:`mmdet_vis.evaluation.resampling`.
        names, annotations_name: names for error messages.

    Raises:
        DatasetError, ResultsError: see :func:`mmdet_vis.evaluation.ytvis.evaluate`.
    """
    dataset = index_annotations(annotations, annotations_name)
    if not dataset.videos:
        raise DatasetError(f"{annotations_name} has no videos: there is nothing to compare on")
    measures, grouped = [], []
    for given, name in zip(results, names, strict=True):
        entries = of_known_categories(given, dataset, name)
        metrics = evaluate(entries, annotations, results_name=name, annotations_name=annotations_name)
        tracking = evaluate_tracking(
            entries, annotations, score_thr, results_name=name, annotations_name=annotations_name
        )
        measures.append(WeightedTogether([WeightedAP.of(metrics), WeightedTracking.of(tracking)]))
        grouped.append(group_entries(entries, dataset, name))
    videos = [video for _, video in sorted(dataset.videos.items())]
    files = {video["id"]: video.get("file_names") for video in annotations["videos"]}

    def layers(position: int) -> VideoLayers:
        assert img_prefix is not None
        video = videos[position]
        frames = frame_paths(img_prefix, files[video.id], video.length, f"{annotations_name}: video {video.id}")
        truths = [t for (video_id, _), objects in dataset.objects.items() if video_id == video.id for t in objects]
        objects = Layer()
        for number, truth in enumerate(truths, start=1):
            objects.add_object(dataset, truth, number)
        first, second = (_shown(entries.get(video.id, []), video, truths, dataset, score_thr) for entries in grouped)
        return VideoLayers(frames, video.height, video.width, objects, (first, second))

    shared = Counter(video.name for video in videos)
    titles = [f"{video.name} (id {video.id})" if shared[video.name] > 1 else video.name for video in videos]
    a, b = measures
    differences, gains = find_differences(a, b, draws, seed), video_gains(a, b)
    return Comparison(titles, differences, gains, layers, img_prefix is not None)


def _shown(
    entries: Sequence[tuple[int, dict[str, Any]]],
    video: Video,
    truths: Sequence[GroundTruth],
    dataset: Annotations,
    score_thr: float,
) -> Layer:
    """The best predictions from a score on, each in the colour of the object that it overlaps most."""
    layer = Layer()
    best = sorted(entries, key=lambda item: -item[1]["score"])[:_MAX_SHOWN]
    predictions = read_predictions([(index, entry) for index, entry in best if entry["score"] >= score_thr], video)
    iou = sequence_iou([p.masks for p in predictions], [t.masks for t in truths])
    for n, prediction in enumerate(predictions):
        same = int(iou[n].argmax()) if len(truths) and iou[n].max() >= _SAME else -1
        label = f"{dataset.categories[prediction.category_id]} {prediction.score:.2f}"
        layer.add(prediction.masks.rles, label, same + 1 if same >= 0 else len(truths) + n + 1)
    return layer


def compare_davis(
    results: tuple[Path, Path],
    davis_root: Path,
    set_name: str = "val",
    *,
    year: int | None = None,
    resolution: str = RESOLUTION,
    seed: int = 0,
) -> Comparison:
    """Compare index PNGs by J&F, and by the measures of tracking; pictures need ``JPEGImages`` beside the annotations.

    Args:
        results: of A and of B: ``<video>/<frame>.png``.
        davis_root, set_name, year, resolution: see :func:`mmdet_vis.evaluation.davis.evaluate`.
        seed: of the resampling.

    Raises:
        DatasetError, ResultsError: see :func:`mmdet_vis.evaluation.davis.evaluate`.
    """
    sequences = annotated_sequences(davis_root, set_name, year, resolution)
    videos = [sequence.name for sequence in sequences]
    metrics = [evaluate_sequences(folder, sequences) for folder in results]
    tracking = [evaluate_index_pngs(folder, sequences) for folder in results]
    a, b = (
        WeightedTogether([WeightedMeans.of(found, videos), WeightedTracking.of(tracks)])
        for found, tracks in zip(metrics, tracking, strict=True)
    )
    images = find_davis_root(davis_root) / IMAGES / resolution

    def layers(position: int) -> VideoLayers:
        sequence = sequences[position]
        frames = sorted((images / sequence.name).glob("*.jpg"), key=lambda path: natural_key(path.name))
        if [frame.stem for frame in frames] != [path.stem for path in sequence.annotations]:
            raise DatasetError(
                f"{images / sequence.name} has not one .jpg for each of the {len(sequence.annotations)} annotated "
                "frames: complete the folder, or leave the pictures out with " + option("videos", 0)
            )
        maps = [
            [read_pair(path, folder / sequence.name / path.name) for path in sequence.annotations] for folder in results
        ]
        height, width = maps[0][0][0].shape
        truth = _index_layer([pair[0] for pair in maps[0]], {}, "object {}")
        first, second = (
            _index_layer(
                [result for _, result in pairs],
                {o.proposal_id: o.object_id for o in found.objects if o.sequence == sequence.name},
                "",
            )
            for pairs, found in zip(maps, metrics, strict=True)
        )
        return VideoLayers(frames, height, width, truth, (first, second))

    differences, gains = find_differences(a, b, DRAWS, seed), video_gains(a, b)
    return Comparison(videos, differences, gains, layers, images.is_dir())


def _index_layer(maps: Sequence[np.ndarray[Any, Any]], colours: Mapping[int, int], label: str) -> Layer:
    """Objects of index maps ``[H, W]``; those without a colour of their own get one that no other has."""
    layer = Layer()
    for number, masks in sequences_by_number([masks_by_number(frame) for frame in maps]).items():
        if number != VOID:
            layer.add(masks, label.format(number), colours.get(number, number if not colours else 100 + number))
    return layer
