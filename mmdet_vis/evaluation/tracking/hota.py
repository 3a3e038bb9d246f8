"""HOTA: higher order tracking accuracy (Luiten et al., IJCV 2021), section by section of the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.tracking.overlaps import EPS, VideoOverlaps, best_pairs, ratio

Numbers = NDArray[np.float64]

ALPHAS: Numbers = np.arange(0.05, 0.99, 0.05)
"""Localisation thresholds (section 5.4): 0.05 to 0.95."""


@dataclass(frozen=True)
class HotaCounts:
    """What HOTA adds up, at each threshold ``[19]`` float64.

    Attributes:
        tp, fn, fp: matched pairs, objects without a track and tracks without an object, over all frames.
        association, association_recall, association_precision: sums over the matched pairs of A(c), the Jaccard index
            of their two trajectories (equation 7), and of its recall and precision.
        overlap: sum of the pairs' IoU.
    """

    tp: Numbers
    fn: Numbers
    fp: Numbers
    association: Numbers
    association_recall: Numbers
    association_precision: Numbers
    overlap: Numbers

    def curves(self) -> dict[str, Numbers]:
        """Each measure at each threshold, ``[19]`` in [0, 1] (equations 5 to 10)."""
        det = ratio(self.tp, self.tp + self.fn + self.fp)
        ass = ratio(self.association, self.tp)
        return {
            "HOTA": np.sqrt(det * ass),
            "DetA": det,
            "AssA": ass,
            "DetRe": ratio(self.tp, self.tp + self.fn),
            "DetPr": ratio(self.tp, self.tp + self.fp),
            "AssRe": ratio(self.association_recall, self.tp),
            "AssPr": ratio(self.association_precision, self.tp),
            "LocA": np.maximum(1e-10, self.overlap) / np.maximum(1e-10, self.tp),
        }

    def summary(self) -> dict[str, float]:
        """Means over the thresholds, in [0, 1]."""
        return {name: float(curve.mean()) for name, curve in self.curves().items()}


NO_COUNTS = HotaCounts(*np.zeros((7, len(ALPHAS))))
"""Those of no video."""


def hota_counts(video: VideoOverlaps) -> HotaCounts:
    """Count one video.

    In each frame objects and tracks are paired so that pairs which overlap in most frames of the video come first, and
    among those the ones that overlap most here (section 5.1, and appendix on the Hungarian algorithm).
    """
    objects, tracks = video.frames_of_objects()[:, None], video.frames_of_tracks()[None]
    together = np.zeros((video.num_objects, video.num_tracks))
    for here, there, iou in zip(video.objects, video.tracks, video.iou, strict=True):
        total = iou.sum(axis=0)[None] + iou.sum(axis=1)[:, None] - iou
        together[np.ix_(here, there)] += np.divide(iou, total, out=np.zeros_like(iou), where=total > EPS)
    alignment = together / (objects + tracks - together)

    matched = np.zeros((len(ALPHAS), video.num_objects, video.num_tracks))
    overlap = np.zeros(len(ALPHAS))
    for here, there, iou in zip(video.objects, video.tracks, video.iou, strict=True):
        rows, columns = best_pairs(alignment[np.ix_(here, there)] * iou)
        found = iou[rows, columns]
        for a, alpha in enumerate(ALPHAS):
            enough = found >= alpha - EPS
            matched[a, here[rows[enough]], there[columns[enough]]] += 1
            overlap[a] += found[enough].sum()
    tp = matched.sum(axis=(1, 2))
    return HotaCounts(
        tp=tp,
        fn=objects.sum() - tp,
        fp=tracks.sum() - tp,
        association=_weighted(matched, objects + tracks - matched),
        association_recall=_weighted(matched, np.broadcast_to(objects, matched.shape[1:])),
        association_precision=_weighted(matched, np.broadcast_to(tracks, matched.shape[1:])),
        overlap=overlap,
    )


def _weighted(matched: Numbers, whole: Numbers) -> Numbers:
    """Sum over the matched pairs of the share of their trajectories, ``[19]``."""
    return np.asarray((matched * ratio(matched, whole)).sum(axis=(1, 2)), np.float64)
