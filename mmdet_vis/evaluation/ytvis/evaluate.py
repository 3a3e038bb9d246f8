"""Average precision and recall of YouTube-VIS, by the protocol of its official evaluator."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.json_files import collector_paused
from mmdet_vis.data.formats.ytvis import Annotations, GroundTruth, Video, index_annotations
from mmdet_vis.evaluation.ytvis.entries import Prediction, group_entries, mask_error, read_predictions
from mmdet_vis.evaluation.ytvis.matching import Matches, match
from mmdet_vis.evaluation.ytvis.metrics import MAX_DETECTIONS, YtvisMetrics
from mmdet_vis.evaluation.ytvis.sequence_iou import SequencePairs
from mmdet_vis.progress import with_bar
from mmdet_vis.structures.rle import InvalidMaskError


@collector_paused()
def evaluate(
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    *,
    results_name: str = "results",
    annotations_name: str = "annotations",
    progress: bool = False,
) -> YtvisMetrics:
    """Evaluate YouTube-VIS results.

    A prediction is right at an IoU threshold if the sequence IoU with an object of its category in its video,
    which no prediction with a higher score took, reaches the threshold.

    Args:
        results: ``{"video_id", "category_id", "score", "segmentations"}`` per sequence, with an RLE or ``None`` per
            frame. Per video and category the 100 best scores count. Those of categories that the annotations lack are
            left out, with a warning.
        annotations: a YouTube-VIS annotation file's contents, with ``annotations``.
        results_name, annotations_name: names for error messages.
        progress: show a progress bar on stderr.

    Raises:
        DatasetError: if the annotations are malformed.
        ResultsError: if an entry is malformed, or has a score that is not finite, an id of a video that is not
            in the annotations, or masks of another size or number than the video's frames.
    """
    dataset = index_annotations(annotations, annotations_name)
    entries = group_entries(results, dataset, results_name)
    num_predictions = Counter(entry["category_id"] for items in entries.values() for _, entry in items)

    matches: dict[int, dict[int, Matches]] = {category_id: {} for category_id in sorted(dataset.categories)}
    for video_id in with_bar(sorted(dataset.videos), "evaluating videos", shown=progress):
        outcome = _match_video(entries.get(video_id, []), dataset, video_id, results_name)
        for category_id, found in outcome.items():
            matches[category_id][video_id] = found
    videos = {video_id: video.name for video_id, video in sorted(dataset.videos.items())}
    return YtvisMetrics.of(matches, dict(sorted(dataset.categories.items())), videos, num_predictions)


def _match_video(
    entries: Sequence[tuple[int, dict[str, Any]]], dataset: Annotations, video_id: int, name: str
) -> dict[int, Matches]:
    """Match the predictions of one video to its objects, category by category."""
    video = dataset.videos[video_id]
    by_category: defaultdict[int, list[Prediction]] = defaultdict(list)
    for prediction in read_predictions(counted_entries(entries), video, name):
        if video.annotated is None or prediction.masks.average_area:  # Else nobody can say whether it is right.
            by_category[prediction.category_id].append(prediction)
    annotated = {category_id for category_id in dataset.categories if (video_id, category_id) in dataset.objects}
    return {
        category_id: _match_category(
            by_category[category_id], dataset.objects.get((video_id, category_id), []), video, name
        )
        for category_id in sorted(by_category.keys() | annotated)
    }


def counted_entries(entries: Sequence[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """The entries of one video that the evaluation counts, best first: 100 of each category."""
    seen: Counter[int] = Counter()
    best = []
    for index, entry in sorted(entries, key=lambda item: -item[1]["score"]):
        seen[entry["category_id"]] += 1
        if seen[entry["category_id"]] <= MAX_DETECTIONS[-1]:
            best.append((index, entry))
    return best


def _match_category(
    predictions: Sequence[Prediction], truths: Sequence[GroundTruth], video: Video, name: str
) -> Matches:
    """Match the predictions of one video and category, best first, to the objects."""
    masks, object_masks = [p.masks for p in predictions], [truth.masks for truth in truths]
    pairs = SequencePairs(masks, object_masks) if masks and object_masks else None

    def compute_ious(batch: slice, floors: NDArray[np.float64]) -> NDArray[np.float64]:
        assert pairs is not None
        try:
            return pairs.iou(batch, floors)
        except InvalidMaskError as error:
            index = predictions[batch.start + error.index].index
            raise mask_error(name, index, video, error.reason) from None

    return match(
        scores=np.array([p.score for p in predictions], np.float64),
        areas=np.array([sequence.average_area for sequence in masks], np.float64),
        object_areas=np.array([truth.average_area for truth in truths], np.float64),
        crowd=np.array([truth.crowd for truth in truths], bool),
        compute_ious=compute_ious,
    )
