"""HOTA, CLEAR MOT and IDF1 of results in the YouTube-VIS format, per category and over all, and STQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_vis.data.formats.json_files import collector_paused
from mmdet_vis.data.formats.ytvis import check_sequences, index_annotations
from mmdet_vis.evaluation.davis.dataset import DavisSequence
from mmdet_vis.evaluation.davis.evaluate import VOID, read_pair
from mmdet_vis.evaluation.tables import format_table
from mmdet_vis.evaluation.tracking.clear import ClearCounts, IdentityCounts, clear_counts, identity_counts
from mmdet_vis.evaluation.tracking.hota import NO_COUNTS, HotaCounts, hota_counts
from mmdet_vis.evaluation.tracking.overlaps import VideoOverlaps, added
from mmdet_vis.evaluation.tracking.stq import StqCounts, stq_counts
from mmdet_vis.evaluation.ytvis.entries import group_entries, mask_error, read_predictions
from mmdet_vis.structures import RLE, encode_masks
from mmdet_vis.structures.rle import InvalidMaskError

SHOWN = ("HOTA", "DetA", "AssA", "MOTSA", "sMOTSA", "IDF1")
"""Measures of the table."""
STQ = ("STQ", "AQ", "SQ")
"""Measures of the second table: they have no row for a category or for each mask."""
COUNTS = ("IDSW", "Frag", "MT", "ML")
"""Measures that are numbers of things, not shares."""


@dataclass(frozen=True)
class TrackingCounts:
    """What the measures add up over videos and categories."""

    hota: HotaCounts
    clear: ClearCounts
    identity: IdentityCounts

    @classmethod
    def of(cls, video: VideoOverlaps) -> TrackingCounts:
        """Count one video."""
        return cls(hota_counts(video), clear_counts(video), identity_counts(video))

    @classmethod
    def total(cls, counts: Sequence[TrackingCounts]) -> TrackingCounts:
        """The sum of some counts."""
        return cls(
            added((c.hota for c in counts), NO_COUNTS),
            added((c.clear for c in counts), ClearCounts()),
            added((c.identity for c in counts), IdentityCounts()),
        )

    def summary(self) -> dict[str, float]:
        """All measures, see the summaries of the parts."""
        return {**self.hota.summary(), **self.clear.summary(), **self.identity.summary()}


@dataclass(frozen=True)
class TrackingMetrics:
    """The measures of a data set.

    Attributes:
        by_video: by name or id of the video, the counts of each category that has objects or tracks in it.
        stq: by name or id of the video, what STQ counts, which compares all categories with each other.
        categories: names in the order of the table.
    """

    by_video: Mapping[str | int, Mapping[str, TrackingCounts]]
    stq: Mapping[str | int, StqCounts]
    categories: Sequence[str]

    @cached_property
    def by_category(self) -> dict[str, TrackingCounts]:
        """Counts of each category that has objects or tracks, added over the videos."""
        found: dict[str, list[TrackingCounts]] = {name: [] for name in self.categories}
        for counts in self.by_video.values():
            for name, here in counts.items():
                found[name].append(here)
        return {name: TrackingCounts.total(here) for name, here in found.items() if here}

    def _all_masks(self) -> dict[str, float]:
        return TrackingCounts.total(list(self.by_category.values())).summary()

    def summary(self) -> dict[str, float]:
        """Over all masks, whatever their category: large categories weigh more (``cls_comb_det_av`` of TrackEval).

        STQ, AQ and SQ have a rule of their own, see :class:`mmdet_vis.evaluation.tracking.stq.StqCounts`.
        """
        return {**self._all_masks(), **StqCounts.total(list(self.stq.values())).summary()}

    def category_mean(self) -> dict[str, float]:
        """The mean over the categories, which all weigh the same (``cls_comb_cls_av``); counts are sums."""
        rows = [counts.summary() for counts in self.by_category.values()]
        total = self._all_masks()
        mean = {key: float(np.mean([row[key] for row in rows])) if rows else 0.0 for key in total}
        return {**mean, **{key: value for key, value in total.items() if key in COUNTS}}

    def per_category(self) -> list[dict[str, Any]]:
        """Name and measures of each category."""
        return [{"name": name, **counts.summary()} for name, counts in self.by_category.items()]

    def table(self) -> str:
        """Text for the terminal, in percent."""
        rows = [[row["name"], *(row[key] for key in SHOWN)] for row in self.per_category()]
        if len(rows) > 1:
            mean = self.category_mean()
            rows.append(["mean of categories", *(mean[key] for key in SHOWN)])
        total = self.summary()
        rows.append(["all masks", *(total[key] for key in SHOWN)])
        stq = format_table(["segmentation and tracking quality", *STQ], [["all categories", *(total[k] for k in STQ)]])
        return f"{format_table(['category', *SHOWN], rows)}\n\n{stq}"


@collector_paused()
def evaluate_tracking(
    results: Sequence[Mapping[str, Any]],
    annotations: Mapping[str, Any],
    score_thr: float,
    *,
    results_name: str = "results",
    annotations_name: str = "annotations",
) -> TrackingMetrics:
    """Compare tracks with annotated objects, frame by frame and category by category.

    Unlike AP these measures know no ranking: every sequence from ``score_thr`` counts alike, so choose the threshold
    that the results are used with. Sequences marked ``iscrowd`` are regions to ignore. The other arguments are those of
    :func:`mmdet_vis.evaluation.ytvis.evaluate`.

    Raises:
        DatasetError, ResultsError: see there.
    """
    dataset = index_annotations(annotations, annotations_name)
    entries = group_entries(results, dataset, results_name)
    by_video: dict[str | int, dict[str, TrackingCounts]] = {}
    stq: dict[str | int, StqCounts] = {}
    number = {category_id: n for n, category_id in enumerate(sorted(dataset.categories))}
    for video_id, video in sorted(dataset.videos.items()):
        kept = [(i, entry) for i, entry in entries.get(video_id, []) if entry["score"] >= score_thr]
        predictions = read_predictions(kept, video, results_name)
        try:  # pycocotools reads on beyond runs that end too early
            check_sequences([prediction.masks.rles for prediction in predictions])
        except InvalidMaskError as error:
            raise mask_error(results_name, predictions[error.index].index, video, error.reason) from None
        counts = by_video.setdefault(video_id, {})
        shown = [t for category_id in number for t in dataset.objects.get((video_id, category_id), [])]
        objects, crowds = [t for t in shown if not t.crowd], [t for t in shown if t.crowd]
        best_first = sorted(predictions, key=lambda prediction: -prediction.score)
        stq[video_id] = stq_counts(
            [t.masks.rles for t in objects],
            [p.masks.rles for p in best_first],
            [number[t.category_id] for t in objects],
            [number[p.category_id] for p in best_first],
            len(number),
            [t.masks.rles for t in crowds],
        )
        for category_id, name in sorted(dataset.categories.items()):
            three = (objects, predictions, crowds)
            here = [[item.masks.rles for item in items if item.category_id == category_id] for items in three]
            if any(here):
                counts[name] = TrackingCounts.of(VideoOverlaps.of_masks(*here))
    return TrackingMetrics(by_video, stq, [name for _, name in sorted(dataset.categories.items())])


def evaluate_index_pngs(results_dir: str | Path, sequences: Sequence[DavisSequence]) -> TrackingMetrics:
    """The same for index PNGs ``<video>/<frame>.png``, whose objects have no category; void pixels do not count.

    Raises:
        DatasetError, ResultsError: a PNG is missing or damaged, or of another size than the annotation.
    """
    by_video: dict[str | int, dict[str, TrackingCounts]] = {}
    stq: dict[str | int, StqCounts] = {}
    for sequence in sequences:
        truths, found = [], []
        for path in sequence.annotations:
            truth, result = read_pair(path, Path(results_dir, sequence.name, path.name))
            result[truth == VOID] = 0
            truth[truth == VOID] = 0
            truths.append(masks_by_number(truth))
            found.append(masks_by_number(result))
        objects, tracks = (list(sequences_by_number(frames).values()) for frames in (truths, found))
        by_video[sequence.name] = {"object": TrackingCounts.of(VideoOverlaps.of_masks(objects, tracks))}
        stq[sequence.name] = stq_counts(objects, tracks, [0] * len(objects), [0] * len(tracks), 1)
    return TrackingMetrics(by_video, stq, ["object"])


def masks_by_number(labels: np.ndarray[Any, Any]) -> dict[int, RLE]:
    """The masks of the objects of an index map ``[H, W]``, by their numbers from 1."""
    numbers = [int(number) for number in np.unique(labels) if number]
    masks = (labels[None] == np.array(numbers, labels.dtype)[:, None, None]).astype(np.uint8)
    return dict(zip(numbers, encode_masks(masks), strict=True))


def sequences_by_number(frames: Sequence[dict[int, RLE]]) -> dict[int, list[RLE | None]]:
    """The masks of each object of T frames, None where it is not there, by their numbers."""
    return {number: [frame.get(number) for frame in frames] for number in sorted({n for f in frames for n in f})}
