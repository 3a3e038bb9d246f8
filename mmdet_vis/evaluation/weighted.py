"""Measures of a data set as functions of how often each of its videos counts, which is what resampling asks for.

What costs time, comparing masks, is done once per video by the evaluations; here only counts are added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.davis.metrics import DavisMetrics
from mmdet_vis.evaluation.tracking.clear import ClearCounts
from mmdet_vis.evaluation.tracking.evaluate import TrackingCounts, TrackingMetrics
from mmdet_vis.evaluation.tracking.hota import ALPHAS, HotaCounts
from mmdet_vis.evaluation.tracking.identity import IdentityCounts
from mmdet_vis.evaluation.tracking.stq import StqCounts
from mmdet_vis.evaluation.ytvis.matching import IOU_THRESHOLDS, Matches
from mmdet_vis.evaluation.ytvis.metrics import MAX_DETECTIONS, RECALL_POINTS, YtvisMetrics

Numbers = NDArray[np.float64]
ALL_SIZES = 0  # of the size ranges


class Weighted(Protocol):
    """Measures of V videos.

    Attributes:
        num_videos: V.
    """

    num_videos: int

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """Each measure for B weightings of the videos ``[B, V]`` (whole numbers from 0): ``[B]`` by name.

        A weight of 2 is a video that is there twice; NaN where no object is left.
        """
        ...

    def beside(self, other: Any) -> Weighted:
        """Measures of the videos of both, 2 V in all, of which weights choose."""
        ...


class WeightedAP:
    """AP, AP50 and AP75 of YouTube-VIS results.

    Args:
        categories: of each category the matches of the videos that have some, by position of the video.
        num_videos: V.
    """

    def __init__(self, categories: Sequence[Mapping[int, Matches]], num_videos: int) -> None:
        self.num_videos = num_videos
        self._categories = categories

    @classmethod
    def of(cls, metrics: YtvisMetrics) -> WeightedAP:
        """From an evaluation."""
        place = {video_id: place for place, video_id in enumerate(metrics.videos)}
        categories = [{place[v]: found for v, found in videos.items()} for videos in metrics.matches.values()]
        return cls(categories, len(place))

    def beside(self, other: WeightedAP) -> WeightedAP:
        """See :class:`Weighted`; both have the same categories."""
        pairs = zip(self._categories, other._categories, strict=True)
        both = [{**a, **{self.num_videos + v: found for v, found in b.items()}} for a, b in pairs]
        return WeightedAP(both, self.num_videos + other.num_videos)

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`: means over the categories that have objects in the weighted videos."""
        total, number = np.zeros((len(IOU_THRESHOLDS), len(weights))), np.zeros(len(weights))
        for videos in self._categories:
            if not videos:
                continue
            places, matches = list(videos), list(videos.values())
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


class WeightedMeans:
    """Measures that are means over the objects of all videos, such as J and F.

    Args:
        names: of M measures.
        sums: ``[V, M]`` of each video, over its objects.
        objects: ``[V]``, how many it has.
    """

    def __init__(self, names: Sequence[str], sums: Numbers, objects: Numbers) -> None:
        self.num_videos = len(objects)
        self._names, self._sums, self._objects = names, sums, objects

    @classmethod
    def of(cls, metrics: DavisMetrics, videos: Sequence[str]) -> WeightedMeans:
        """From an evaluation of these videos, some of which may have no object."""
        place = {name: place for place, name in enumerate(videos)}
        names = ("J&F-Mean", "J-Mean", "F-Mean")
        sums, objects = np.zeros((len(videos), len(names))), np.zeros(len(videos))
        for item in metrics.objects:
            summary = item.summary()
            sums[place[item.sequence]] += [summary[name] for name in names]
            objects[place[item.sequence]] += 1
        return cls(names, sums, objects)

    def beside(self, other: WeightedMeans) -> WeightedMeans:
        """See :class:`Weighted`."""
        sums = np.concatenate([self._sums, other._sums])
        return WeightedMeans(self._names, sums, np.concatenate([self._objects, other._objects]))

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        sums, objects = weights @ self._sums, (weights @ self._objects)[:, None]
        means = np.divide(sums, objects, out=np.full_like(sums, np.nan), where=objects > 0)
        return {name: means[:, m] for m, name in enumerate(self._names)}


class WeightedTracking:
    """HOTA, DetA, AssA, MOTSA, sMOTSA and IDF1 over all masks, and STQ.

    Args:
        counts: of each video, those of STQ with them; None where there is neither object nor track.
    """

    NAMES = ("HOTA", "DetA", "AssA", "MOTSA", "sMOTSA", "IDF1", "STQ")

    def __init__(self, counts: Sequence[tuple[TrackingCounts, StqCounts] | None]) -> None:
        self.num_videos = len(counts)
        self._counts = counts
        categories = next((len(found[1].union) for found in counts if found is not None), 0)
        nothing = TrackingCounts.total([]), StqCounts(0.0, 0.0, *np.zeros((2, categories)))
        self._flat = np.stack([_flat(*(nothing if found is None else found)) for found in counts])

    @classmethod
    def of(cls, metrics: TrackingMetrics) -> WeightedTracking:
        """From an evaluation."""
        videos = metrics.by_video.items()
        return cls([(TrackingCounts.total(list(c.values())), metrics.stq[name]) if c else None for name, c in videos])

    def beside(self, other: WeightedTracking) -> WeightedTracking:
        """See :class:`Weighted`."""
        return WeightedTracking([*self._counts, *other._counts])

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        rows = []
        for flat in weights @ self._flat:
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


class WeightedTogether:
    """The measures of several kinds over the same videos; those of the first kind come first."""

    def __init__(self, parts: Sequence[Weighted]) -> None:
        self.num_videos = parts[0].num_videos
        self._parts = parts

    def beside(self, other: WeightedTogether) -> WeightedTogether:
        """See :class:`Weighted`."""
        return WeightedTogether([a.beside(b) for a, b in zip(self._parts, other._parts, strict=True)])

    def __call__(self, weights: Numbers) -> dict[str, Numbers]:
        """See :class:`Weighted`."""
        return {name: values for part in self._parts for name, values in part(weights).items()}
