"""IDF1: how well tracks keep to one object over whole videos (Ristani et al., ECCV workshops 2016, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mmdet_vis.evaluation.tracking.overlaps import EPS, MATCHED, VideoOverlaps


@dataclass(frozen=True)
class IdentityCounts:
    """Frames in which an object has the one track that is its own (``tp``) or lacks it (``fn``), and other masks."""

    tp: float = 0
    fn: float = 0
    fp: float = 0

    def summary(self) -> dict[str, float]:
        """IDF1, IDP and IDR in [0, 1]."""
        return {
            "IDF1": self.tp / max(1, self.tp + 0.5 * (self.fp + self.fn)),
            "IDP": self.tp / max(1, self.tp + self.fp),
            "IDR": self.tp / max(1, self.tp + self.fn),
        }


def identity_counts(video: VideoOverlaps) -> IdentityCounts:
    """Count one video: objects and tracks are paired once for all frames so that fewest masks are wrong."""
    objects, tracks = video.frames_of_objects(), video.frames_of_tracks()
    together = np.zeros((video.num_objects, video.num_tracks))
    for here, there, iou in zip(video.objects, video.tracks, video.iou, strict=True):
        together[np.ix_(here, there)] += iou >= MATCHED - EPS
    # Leaving both alone costs what they have; each frame together saves one mask on either side. An assignment of all
    # is the best one of some, since no pair costs more than its two alone.
    rows, columns = linear_sum_assignment(-together)
    tp = float(together[rows, columns].sum())
    return IdentityCounts(tp, float(objects.sum()) - tp, float(tracks.sum()) - tp)
