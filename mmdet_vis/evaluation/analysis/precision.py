"""AP from IoUs that are known, by the evaluator's own matching: for results as they are, mended, or in part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.analysis.video_table import VideoTable
from mmdet_vis.evaluation.ytvis.accumulate import MAX_DETECTIONS, accumulate
from mmdet_vis.evaluation.ytvis.matching import Matches, match
from mmdet_vis.evaluation.ytvis.metrics import YtvisMetrics


@dataclass(frozen=True)
class Scene:
    """What the matching sees of one video: D predictions, best scores first, and G objects.

    Attributes:
        scores, categories: ``[D]``.
        ious: ``[D, G]``.
        object_categories: ``[G]``.
        ignored: ``[G]`` bool, predictions on the object are neither right nor wrong (a crowd).
        excused: ``[D]`` bool, the prediction is not wrong if it takes nothing.
    """

    scores: NDArray[np.float64]
    categories: NDArray[np.int64]
    ious: NDArray[np.float64]
    object_categories: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    excused: NDArray[np.bool_]

    @classmethod
    def of(cls, table: VideoTable) -> Scene:
        """The scene that the evaluator sees."""
        excused = np.zeros(len(table.scores), bool)
        return cls(table.scores, table.categories, table.ious, table.object_categories, table.crowd, excused)


def average_precision(scenes: Iterable[Scene]) -> dict[str, float]:
    """``AP`` and ``AP50`` in [0, 1], means over the categories that have objects; -1 if none has.

    Args:
        scenes: in the order of the video ids, which decides between equal scores.
    """
    matches: defaultdict[int, list[Matches]] = defaultdict(list)
    for scene in scenes:
        for category in np.union1d(scene.categories, scene.object_categories).tolist():
            matches[category].append(_match(scene, category))
    categories = sorted(matches)
    if not categories:
        return {"AP": -1.0, "AP50": -1.0}
    arrays = [accumulate(matches[category]) for category in categories]
    summary = YtvisMetrics(
        precision=np.stack([precision for precision, _, _ in arrays], axis=2),
        recall=np.stack([recall for _, recall, _ in arrays], axis=1),
        categories={category: str(category) for category in categories},
        num_objects=np.stack([number for _, _, number in arrays]),
        num_predictions=np.zeros(len(categories), np.int64),
    ).summary()
    return {"AP": summary["AP"], "AP50": summary["AP50"]}


def _match(scene: Scene, category: int) -> Matches:
    """Match one category; what concerns the size ranges of the evaluator is not used."""
    rows = np.flatnonzero(scene.categories == category)[: MAX_DETECTIONS[-1]]
    columns = np.flatnonzero(scene.object_categories == category)
    ious = scene.ious[np.ix_(rows, columns)]
    found = match(
        scores=scene.scores[rows],
        areas=np.zeros(len(rows)),
        object_areas=np.zeros(len(columns)),
        crowd=scene.ignored[columns],
        compute_ious=lambda batch, _floors: ious[batch],
    )
    return replace(found, ignored=found.ignored | (~found.matched & scene.excused[rows]))
