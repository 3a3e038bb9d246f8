"""All that the analysis needs of one video, without its masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.ytvis import Annotations, GroundTruth, MaskSequence
from mmdet_vis.evaluation.analysis.attributes import occlusions
from mmdet_vis.evaluation.analysis.error_types import BACKGROUND_IOU, Classified, assign, classify
from mmdet_vis.evaluation.analysis.following import follow
from mmdet_vis.evaluation.ytvis.entries import Prediction, mask_error, read_predictions
from mmdet_vis.evaluation.ytvis.evaluate import counted_entries
from mmdet_vis.evaluation.ytvis.sequence_iou import sequence_iou
from mmdet_vis.structures.rle import InvalidMaskError


@dataclass(frozen=True)
class VideoTable:
    """D predictions, best scores first, and G objects of one video.

    Attributes:
        video_id: id of the video.
        entries: ``[D]`` int64, position of each prediction in the results.
        scores, categories: ``[D]`` float64 and int64 (category ids).
        lengths, areas: ``[D]`` frames that are not empty, and average area in pixels.
        ious: ``[D, G]`` float64 sequence IoU, 0 where it is below :data:`BACKGROUND_IOU`.
        object_ids: G ids of the annotation file.
        object_categories: ``[G]`` int64 category ids.
        object_lengths, object_areas, occlusion: ``[G]`` visible frames, average area, see :func:`occlusions`.
        crowd: ``[G]`` bool.
        classified: types of the first ``len(classified.types)`` predictions, those that reach the score threshold.
    """

    video_id: int
    entries: NDArray[np.int64]
    scores: NDArray[np.float64]
    categories: NDArray[np.int64]
    lengths: NDArray[np.int64]
    areas: NDArray[np.float64]
    ious: NDArray[np.float64]
    object_ids: list[int]
    object_categories: NDArray[np.int64]
    object_lengths: NDArray[np.int64]
    object_areas: NDArray[np.float64]
    occlusion: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    classified: Classified

    def best_ious(self) -> NDArray[np.float64]:
        """Highest IoU of each object with a prediction of its category that reaches the score threshold, ``[G]``."""
        shown = len(self.classified.types)
        same = self.categories[:shown, None] == self.object_categories
        return np.where(same, self.ious[:shown], 0.0).max(axis=0, initial=0.0)

    def score(self) -> float | None:
        """Mean of :meth:`best_ious` over the objects that are no crowds; ``None`` if there are none."""
        ious = self.best_ious()[~self.crowd]
        return float(ious.mean()) if len(ious) else None


def objects_of(dataset: Annotations, video_id: int) -> list[GroundTruth]:
    """The objects of a video by category id, then in the order of the file."""
    return [truth for c in sorted(dataset.categories) for truth in dataset.objects.get((video_id, c), [])]


def build_table(
    entries: Sequence[tuple[int, dict[str, Any]]], dataset: Annotations, video_id: int, score_thr: float, name: str
) -> VideoTable:
    """Compare the predictions of a video, entries of the results with their positions, with its objects.

    Scores below ``score_thr`` count for AP, but get no type.

    Raises:
        ResultsError: for a mask that is no RLE of the video's size.
    """
    video, truths = dataset.videos[video_id], objects_of(dataset, video_id)
    predictions = read_predictions(counted_entries(entries), video, name)
    sequences, place = _unique(predictions)
    object_masks = [truth.masks for truth in truths]
    first = {p: predictions[d].index for d, p in reversed(list(enumerate(place)))}
    categories = np.array([p.category_id for p in predictions], np.int64)
    object_categories = np.array([truth.category_id for truth in truths], np.int64)
    crowd = np.array([truth.crowd for truth in truths], bool)
    shown = sum(p.score >= score_thr for p in predictions)
    try:
        ious = sequence_iou(sequences, object_masks, BACKGROUND_IOU)[place]
        types, targets = assign(ious[:shown], categories[:shown], object_categories, crowd)
        # A sequence often stands in the results under several categories: it is followed once.
        open_places = sorted({place[d] for d, kind in enumerate(types) if kind is None})
        try:
            followed = dict(zip(open_places, follow([sequences[p] for p in open_places], object_masks), strict=True))
        except InvalidMaskError as error:
            raise InvalidMaskError(open_places[error.index], error.reason) from None
    except InvalidMaskError as error:
        raise mask_error(name, first[error.index], video, error.reason) from None
    following = {d: followed[place[d]] for d, kind in enumerate(types) if kind is None}
    return VideoTable(
        video_id=video_id,
        entries=np.array([p.index for p in predictions], np.int64),
        scores=np.array([p.score for p in predictions], np.float64),
        categories=categories,
        lengths=np.array([np.count_nonzero(p.masks.areas) for p in predictions], np.int64),
        areas=np.array([p.masks.average_area for p in predictions], np.float64),
        ious=ious,
        object_ids=[truth.id for truth in truths],
        object_categories=object_categories,
        object_lengths=np.array([np.count_nonzero(masks.areas) for masks in object_masks], np.int64),
        object_areas=np.array([truth.average_area for truth in truths], np.float64),
        occlusion=occlusions(object_masks),
        crowd=crowd,
        classified=classify(types, targets, ious[:shown], categories, object_categories, crowd, following),
    )


def _unique(predictions: Sequence[Prediction]) -> tuple[list[MaskSequence], list[int]]:
    """The different mask sequences, and the place of each prediction's among them."""
    different = {id(prediction.masks): prediction.masks for prediction in predictions}
    places = {key: place for place, key in enumerate(different)}
    return list(different.values()), [places[id(prediction.masks)] for prediction in predictions]
