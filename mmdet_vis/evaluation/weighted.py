"""Measures of a data set as functions of how often each of its videos counts, which is what resampling asks for.

What costs time, comparing masks, is done once per video by the evaluations; here only counts are added up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.davis.best_match import ClipScore
from mmdet_vis.evaluation.davis.metrics import DavisMetrics
from mmdet_vis.evaluation.tracking.clear import ClearCounts, IdentityCounts
from mmdet_vis.evaluation.tracking.evaluate import TrackingCounts, TrackingMetrics
from mmdet_vis.evaluation.tracking.hota import ALPHAS, HotaCounts
from mmdet_vis.evaluation.tracking.stq import StqCounts
from mmdet_vis.evaluation.ytvis.matching import IOU_THRESHOLDS, Matches
from mmdet_vis.evaluation.ytvis.metrics import MAX_DETECTIONS, RECALL_POINTS, YtvisMetrics

Numbers = NDArray[np.float64]
ALL_SIZES = 0  # of the size ranges


_Kind = TypeVar("_Kind", bound="Weighted")


class Weighted(ABC):
    """Measures of V videos.

    Args:
        videos: what is known of each of them.
        names: of the measures, where ``videos`` do not say.
    """

    def __init__(self, videos: Sequence[Any], names: Sequence[str] = ()) -> None:
        self.videos, self.names = list(videos), names

    @property
    def num_videos(self) -> int:
        """V."""
        return len(self.videos)

    @abstractmethod
    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """Each measure for B weightings of the videos ``[B, V]`` (whole numbers from 0): ``[B]`` by name.

        A weight of 2 is a video that is there twice; NaN where no object is left.
        """

    def beside(self: _Kind, other: _Kind) -> _Kind:
        """Measures of the videos of both, 2 V in all, of which weights choose."""
        return type(self)([*self.videos, *other.videos], self.names)


class WeightedAP(Weighted):
    """AP, AP50 and AP75 of YouTube-VIS results; ``videos`` are the matches of each video by category id."""

    @classmethod
    def of(cls, metrics: YtvisMetrics) -> WeightedAP:
        """From an evaluation."""
        return cls([{c: found[v] for c, found in metrics.matches.items() if v in found} for v in metrics.videos])

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`: means over the categories that have objects in the weighted videos."""
        total, number = np.zeros((len(IOU_THRESHOLDS), len(weights))), np.zeros(len(weights))
        for category in sorted({category for found in self.videos for category in found}):
            places = [place for place, found in enumerate(self.videos) if category in found]
            matches = [self.videos[place][category] for place in places]
            objects = weights[:, places] @ [float(m.num_objects[ALL_SIZES]) for m in matches]
            total += np.where(objects > 0, _average_precision(matches, weights[:, places], objects), 0.0)
            number += objects > 0
        mean = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
        return {"AP": mean.mean(axis=0), "AP50": mean[0], "AP75": mean[5]}


def _average_precision(matches: Sequence[Matches], weights: Numbers, objects: Numbers) -> Numbers:
    """AP of one category at each of T thresholds, ``[T, B]``, as :func:`..ytvis.metrics.accumulate` has it.

    Precision is sampled where recall rises, which is at right predictions only: so the counts at their ranks are
    enough, and those are products of the weights with what each video has there.

    Args:
        matches: of V videos.
        weights: ``[B, V]``.
        objects: ``[B]``, how many count.
    """
    limit = MAX_DETECTIONS[-1]
    order = np.argsort(-np.concatenate([m.scores[:limit] for m in matches]), kind="stable")
    video = np.repeat(np.arange(len(matches)), [len(m.scores[:limit]) for m in matches])[order]
    matched, ignored = (
        np.concatenate([getattr(m, name)[ALL_SIZES, :, :limit] for m in matches], axis=1)[:, order]
        for name in ("matched", "ignored")
    )
    found = np.zeros((len(IOU_THRESHOLDS), len(weights)))
    for t in range(len(IOU_THRESHOLDS)):
        right = np.flatnonzero(matched[t] & ~ignored[t])
        wrong = np.flatnonzero(~matched[t] & ~ignored[t])
        if not len(right):
            continue
        rights, wrongs = (np.zeros((len(matches), len(right))) for _ in range(2))
        rights[video[right], np.arange(len(right))] = 1
        after = np.searchsorted(right, wrong)
        np.add.at(wrongs, (video[wrong[after < len(right)]], after[after < len(right)]), 1)
        so_far, others = weights @ rights.cumsum(axis=1), weights @ wrongs.cumsum(axis=1)
        precision = so_far / (so_far + others + np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALL_POINTS, so_far / np.maximum(objects, 1)[:, None], side="right")
        found[t] = (precision * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(RECALL_POINTS)
    return found


class WeightedMeans(Weighted):
    """Means over the objects of all videos, such as J and F.

    ``videos`` are V arrays ``[objects, M]`` of the M measures that ``names`` says.
    """

    @classmethod
    def of(cls, metrics: DavisMetrics, videos: Sequence[str]) -> WeightedMeans:
        """From an evaluation of these videos, some of which may have no object."""
        names = ("J&F-Mean", "J-Mean", "F-Mean")
        rows: dict[str, list[list[float]]] = {name: [] for name in videos}
        for item in metrics.objects:
            summary = item.summary()
            rows[item.sequence].append([summary[name] for name in names])
        return cls([np.reshape(found, (-1, len(names))) for found in rows.values()], names)

    @classmethod
    def of_clips(cls, scores: Sequence[ClipScore]) -> WeightedMeans:
        """J of the best sequence, of the best union, and in the worst frame, of clips with one object each."""
        return cls([np.array([[s.j, s.union, s.worst]]) for s in scores], ("J", "best union", "worst frame"))

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        sums = weights @ np.stack([found.sum(axis=0) for found in self.videos])
        objects = (weights @ [float(len(found)) for found in self.videos])[:, None]
        means = np.divide(sums, objects, out=np.full_like(sums, np.nan), where=objects > 0)
        return {name: means[:, m] for m, name in enumerate(self.names)}


class WeightedTracking(Weighted):
    """HOTA, DetA, AssA, MOTSA, sMOTSA and IDF1 over all masks, and STQ.

    ``videos`` are the counts of each video, those of STQ with them; None where there is neither object nor track.
    """

    NAMES = ("HOTA", "DetA", "AssA", "MOTSA", "sMOTSA", "IDF1", "STQ")

    @classmethod
    def of(cls, metrics: TrackingMetrics) -> WeightedTracking:
        """From an evaluation."""
        videos = metrics.by_video.items()
        return cls([(TrackingCounts.total(list(c.values())), metrics.stq[name]) if c else None for name, c in videos])

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        categories = next((len(found[1].union) for found in self.videos if found is not None), 0)
        nothing = TrackingCounts.total([]), StqCounts(0.0, 0.0, *np.zeros((2, categories)))
        rows = []
        for flat in weights @ np.stack([_flat(*(found or nothing)) for found in self.videos]):
            tracking, stq = _counts(flat)
            summary = {**tracking.summary(), **stq.summary()}
            rows.append([summary[name] if flat.any() else np.nan for name in self.NAMES])
        return dict(zip(self.NAMES, np.array(rows).reshape(-1, len(self.NAMES)).T, strict=True))


_SIZES = (
    len(HotaCounts.__dataclass_fields__) * len(ALPHAS),
    len(ClearCounts.__dataclass_fields__),
    len(IdentityCounts.__dataclass_fields__),
)
"""Numbers of the parts in a row; those of STQ come after them."""


def _flat(counts: TrackingCounts, stq: StqCounts) -> Numbers:
    parts = (counts.hota, counts.clear, counts.identity, stq)
    return np.concatenate([np.ravel(value) for part in parts for value in vars(part).values()]).astype(np.float64)


def _counts(flat: Numbers) -> tuple[TrackingCounts, StqCounts]:
    """The inverse of :func:`_flat`."""
    hota, clear, identity, stq = np.split(flat, np.cumsum(_SIZES))
    tracking = TrackingCounts(
        HotaCounts(*hota.reshape(-1, len(ALPHAS))), ClearCounts(*clear.tolist()), IdentityCounts(*identity.tolist())
    )
    return tracking, StqCounts(float(stq[0]), float(stq[1]), *stq[2:].reshape(2, -1))


class WeightedTogether(Weighted):
    """The measures of several kinds over the same videos; those of the first kind come first."""

    def __init__(self, parts: Sequence[Weighted]) -> None:
        super().__init__(parts[0].videos)
        self._parts = parts

    def beside(self, other: WeightedTogether) -> WeightedTogether:
        """See :class:`Weighted`."""
        return WeightedTogether([a.beside(b) for a, b in zip(self._parts, other._parts, strict=True)])

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        return {name: values for part in self._parts for name, values in part(weights).items()}
