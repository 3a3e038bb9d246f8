"""The whole analysis of a results file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmdet_vis.data.formats.ytvis import Annotations, index_annotations
from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.precision import BinAP, Scene, average_precision, binned_ap, gains
from mmdet_vis.evaluation.analysis.video_table import VideoTable, build_table
from mmdet_vis.evaluation.ytvis.entries import group_entries
from mmdet_vis.progress import with_bar

SCORE_THR = 0.1
"""Lowest score of a prediction that gets a type."""


@dataclass(frozen=True)
class Analysis:
    """What became of all predictions and objects.

    Attributes:
        dataset: the annotations.
        tables: one per video, by video id.
        score_thr: lowest score of a prediction that gets a type.
        summary: ``AP`` and ``AP50`` of all predictions, in [0, 1]; -1 without objects.
        gains: gain in AP50 from mending each type of error.
        bins: AP by ``length``, ``size`` and ``occlusion``.
    """

    dataset: Annotations
    tables: list[VideoTable]
    score_thr: float
    summary: dict[str, float]
    gains: dict[str, float]
    bins: dict[str, list[BinAP]]

    def prediction_counts(self) -> dict[str, int]:
        """Number of predictions of each type."""
        counts = Counter(kind for table in self.tables for kind in table.classified.types)
        return {kind.value: counts[kind] for kind in ErrorType}

    def object_counts(self) -> dict[str, int]:
        """Number of objects (no crowds) of each type."""
        counts = Counter(kind for table in self.tables for kind in table.classified.object_types)
        return {kind.value: counts[kind] for kind in ObjectType}

    def swaps(self) -> int:
        """Number of broken tracks that go over to another object."""
        return sum(int(table.classified.swaps.sum()) for table in self.tables)

    def category_counts(self) -> list[dict[str, Any]]:
        """For each category with objects or predictions: name, and numbers of objects and predictions by type."""
        objects: Counter[tuple[int, ObjectType | None]] = Counter()
        predictions: Counter[tuple[int, ErrorType]] = Counter()
        for table in self.tables:
            objects.update(zip(table.object_categories.tolist(), table.classified.object_types, strict=True))
            predictions.update(zip(table.categories.tolist(), table.classified.types, strict=False))
        rows: list[dict[str, Any]] = [
            {
                "id": category,
                "name": name,
                "objects": {kind.value: objects[category, kind] for kind in ObjectType},
                "predictions": {kind.value: predictions[category, kind] for kind in ErrorType},
            }
            for category, name in self.dataset.categories.items()
        ]
        return [row for row in rows if any(row["objects"].values()) or any(row["predictions"].values())]

    def confusions(self) -> list[tuple[str, str, int]]:
        """True and predicted category of the predictions of the wrong class, and how many, most first."""
        pairs: Counter[tuple[int, int]] = Counter()
        for table in self.tables:
            for d, kind in enumerate(table.classified.types):
                if kind is ErrorType.WRONG_CLASS:
                    true = table.object_categories[table.classified.targets[d]]
                    pairs[int(true), int(table.categories[d])] += 1
        names = self.dataset.categories
        return [(names[true], names[said], number) for (true, said), number in pairs.most_common()]

    def worst(self, number: int) -> list[VideoTable]:
        """The videos with the lowest scores (see :meth:`VideoTable.score`), worst first."""
        scored = [(score, table) for table in self.tables if (score := table.score()) is not None]
        return [table for _, table in sorted(scored, key=lambda item: (item[0], item[1].video_id))[:number]]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data: metrics in [0, 1], counts, each video, object and prediction."""
        return {
            **self.summary,
            "score_thr": self.score_thr,
            "predictions": self.prediction_counts(),
            "swaps": self.swaps(),
            "objects": self.object_counts(),
            "AP50_gain": self.gains,
            "bins": {key: [asdict(entry) for entry in entries] for key, entries in self.bins.items()},
            "categories": self.category_counts(),
            "confusions": self.confusions(),
            "videos": [self._video(table) for table in self.tables],
        }

    def _video(self, table: VideoTable) -> dict[str, Any]:
        ids, found = table.object_ids, table.classified
        best, occlusion = table.best_ious().tolist(), [None if o != o else o for o in table.occlusion.tolist()]
        shown = zip(table.entries.tolist(), found.types, found.targets.tolist(), strict=False)
        return {
            "id": table.video_id,
            "name": self.dataset.videos[table.video_id].name,
            "score": table.score(),
            "objects": [
                {"id": ids[g], "type": kind.value, "best_iou": best[g], "occlusion": occlusion[g]}
                for g, kind in enumerate(found.object_types)
                if kind is not None
            ],
            "predictions": [
                {"entry": entry, "type": kind.value, "object": ids[g] if g >= 0 else None} for entry, kind, g in shown
            ],
        }


def analyze(
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    *,
    score_thr: float = SCORE_THR,
    results_name: str = "results",
    annotations_name: str = "annotations",
    progress: bool = False,
) -> Analysis:
    """Analyse YouTube-VIS results.

    Predictions with scores below ``score_thr`` count for AP but get no type. Other arguments are those of
    :func:`mmdet_vis.evaluation.ytvis.evaluate`, whose AP this is.

    Raises:
        DatasetError, ResultsError: if the annotations, or an entry of the results, are malformed.
    """
    dataset = index_annotations(annotations, annotations_name)
    entries = group_entries(results, dataset, results_name)
    tables = [
        build_table(entries.get(video_id, []), dataset, video_id, score_thr, results_name)
        for video_id in with_bar(sorted(dataset.videos), "analysing videos", shown=progress)
    ]
    return Analysis(
        dataset=dataset,
        tables=tables,
        score_thr=score_thr,
        summary=average_precision(map(Scene.of, tables)),
        gains=gains(tables),
        bins=binned_ap(tables),
    )
