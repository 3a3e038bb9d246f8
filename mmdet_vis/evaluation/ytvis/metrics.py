"""The figures of a YouTube-VIS evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.tables import format_table
from mmdet_vis.evaluation.ytvis.matching import AREA_RANGES, IOU_THRESHOLDS, Matches

# Metric -> (is it a precision, IoU threshold or all of them, size range, predictions per video and category).
SUMMARY: dict[str, tuple[bool, float | None, str, int]] = {
    "AP": (True, None, "all", 100),
    "AP50": (True, 0.5, "all", 100),
    "AP75": (True, 0.75, "all", 100),
    "APs": (True, None, "small", 100),
    "APm": (True, None, "medium", 100),
    "APl": (True, None, "large", 100),
    "AR1": (False, None, "all", 1),
    "AR10": (False, None, "all", 10),
    "AR100": (False, None, "all", 100),
    "ARs": (False, None, "small", 100),
    "ARm": (False, None, "medium", 100),
    "ARl": (False, None, "large", 100),
}


@dataclass(frozen=True)
class YtvisMetrics:
    """Precision and recall of each category, and what follows from them.

    Attributes:
        precision: ``[T, R, K, A, M]`` float64: T IoU thresholds 0.5 to 0.95, R recalls 0 to 1, K categories, A size
            ranges, M limits on the predictions per video and category; -1 where no object counts.
        recall: ``[T, K, A, M]`` float64, the recall reached, or -1.
        categories: K names by category id.
        num_objects: ``[K, A]`` int64, annotated objects that count.
        num_predictions: ``[K]`` int64, predicted sequences.
        videos: names by video id, ascending.
        matches: by category id and video id, what the figures follow from; only pairs with predictions or objects.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    categories: dict[int, str]
    num_objects: NDArray[np.int64]
    num_predictions: NDArray[np.int64]
    videos: dict[int, str]
    matches: dict[int, dict[int, Matches]]

    @classmethod
    def of(
        cls,
        matches: dict[int, dict[int, Matches]],
        categories: dict[int, str],
        videos: dict[int, str],
        num_predictions: Mapping[int, int],
    ) -> YtvisMetrics:
        """From the matches of K >= 1 categories by id, whose videos are in ascending order; the rest are attributes."""
        arrays = [accumulate(list(found.values())) for found in matches.values()]
        return cls(
            precision=np.stack([precision for precision, _, _ in arrays], axis=2),
            recall=np.stack([recall for _, recall, _ in arrays], axis=1),
            categories=categories,
            num_objects=np.stack([number for _, _, number in arrays]),
            num_predictions=np.array([num_predictions.get(category_id, 0) for category_id in matches], np.int64),
            videos=videos,
            matches=matches,
        )

    def summary(self) -> dict[str, float]:
        """The twelve metrics in [0, 1], means over the categories that have objects; -1 where none has any."""
        return self._metrics(slice(None))

    def per_category(self) -> list[dict[str, Any]]:
        """Id, name, number of objects and predictions, and the twelve metrics of each category."""
        return [
            {
                "id": category_id,
                "name": name,
                "objects": int(self.num_objects[k, 0]),
                "predictions": int(self.num_predictions[k]),
                **self._metrics(slice(k, k + 1)),
            }
            for k, (category_id, name) in enumerate(self.categories.items())
        ]

    def pr_curve(self, iou: float) -> NDArray[np.float64]:
        """Precision at recalls 0, 0.01, ... 1 for one IoU threshold: ``[101]``, mean over the categories.

        Zeros if no category has objects.
        """
        precision = self.precision[_threshold(iou), :, :, 0, -1]
        counts = precision[:, precision[0] > -1]
        return counts.mean(axis=1) if counts.size else np.zeros(len(precision))

    def table(self, per_category: bool = False) -> str:
        """Text for the terminal, in percent."""
        summary = self.summary()
        text = format_table(["metric", "value"], [[key, value] for key, value in summary.items()])
        if not per_category:
            return text
        keys = ["AP", "AP50", "AP75", "AR1", "AR10", "AR100"]
        rows = [
            [row["name"], row["objects"], row["predictions"], *(row[key] for key in keys)]
            for row in self.per_category()
        ]
        return text + "\n\n" + format_table(["category", "objects", "predictions", *keys], rows)

    def _metrics(self, categories: slice) -> dict[str, float]:
        ranges = list(AREA_RANGES)
        values = {}
        for key, (is_precision, iou, size, limit) in SUMMARY.items():
            array = self.precision[:, :, categories] if is_precision else self.recall[:, categories]
            chosen = array[..., ranges.index(size), MAX_DETECTIONS.index(limit)]
            if iou is not None:
                chosen = chosen[_threshold(iou)]
            counts = chosen[chosen > -1]
            values[key] = float(counts.mean()) if counts.size else -1.0
        return values


def _threshold(iou: float) -> int:
    return int(np.abs(IOU_THRESHOLDS - iou).argmin())


RECALL_POINTS: NDArray[np.float64] = np.linspace(0.0, 1.0, 101)
# Predictions that count per video and category.
MAX_DETECTIONS = (1, 10, 100)


def accumulate(matches: Sequence[Matches]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Precision at 101 recalls, and the recall reached, of one category.

    Args:
        matches: those of the category, in the order of the video ids (which decides between equal scores).

    Returns:
        precision ``[T, R, A, M]`` and recall ``[T, A, M]`` in [0, 1], or -1 where no object counts; the number of
        objects that count in each size range, ``[A]``. T thresholds, R recalls, A size ranges, M limits.
    """
    shape = (len(IOU_THRESHOLDS), len(RECALL_POINTS), len(AREA_RANGES), len(MAX_DETECTIONS))
    precision, recall = np.full(shape, -1.0), np.full(shape[:1] + shape[2:], -1.0)
    if not matches:
        return precision, recall, np.zeros(len(AREA_RANGES), np.int64)
    num_objects = np.sum([m.num_objects for m in matches], axis=0)
    for m, limit in enumerate(MAX_DETECTIONS):
        order = np.argsort(-np.concatenate([x.scores[:limit] for x in matches]), kind="stable")
        matched = np.concatenate([x.matched[..., :limit] for x in matches], axis=2)[..., order]
        ignored = np.concatenate([x.ignored[..., :limit] for x in matches], axis=2)[..., order]
        right = np.cumsum(matched & ~ignored, axis=2, dtype=np.float64)
        wrong = np.cumsum(~matched & ~ignored, axis=2, dtype=np.float64)
        for a in np.flatnonzero(num_objects):
            for t in range(len(IOU_THRESHOLDS)):
                precision[t, :, a, m], recall[t, a, m] = _curve(right[a, t], wrong[a, t], num_objects[a])
    return precision, recall, num_objects


def _curve(
    right: NDArray[np.float64], wrong: NDArray[np.float64], num_objects: int
) -> tuple[NDArray[np.float64], float]:
    """Interpolated precision at the recall points ``[R]`` and the last recall, from counts by rank ``[D]``."""
    sampled = np.zeros(len(RECALL_POINTS))
    if len(right) == 0:
        return sampled, 0.0
    recall = right / num_objects
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    rank = np.searchsorted(recall, RECALL_POINTS, side="left")
    reached = rank < len(recall)
    sampled[reached] = precision[rank[reached]]
    return sampled, float(recall[-1])
