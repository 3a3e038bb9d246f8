"""Measures of tracking on masks with one threshold, an IoU of 0.5: CLEAR MOT and IDF1.

CLEAR MOT are MOTSA, sMOTSA and what they count (Voigtlaender et al., CVPR 2019, section 4). IDF1 says how well tracks
keep to one object over whole videos (Ristani et al., ECCV workshops 2016, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmdet_vis.evaluation.tracking.overlaps import EPS, MATCHED, VideoOverlaps, best_pairs

_CONTINUES = 1000.0
"""A pair that was one in the frame before comes first, however little more another overlaps."""


@dataclass(frozen=True)
class ClearCounts:
    """Counts over all frames.

    Attributes:
        tp, fn, fp: pairs, objects without a track, tracks without an object.
        overlap: sum of the pairs' IoU.
        switches: times that an object is taken over by another track.
        fragments: times that an object is found again after it was lost.
        mostly_tracked, mostly_lost: objects with more than 80 %, or less than 20 %, of their frames matched.
        objects: objects.
    """

    tp: float = 0
    fn: float = 0
    fp: float = 0
    overlap: float = 0
    switches: float = 0
    fragments: float = 0
    mostly_tracked: float = 0
    mostly_lost: float = 0
    objects: float = 0

    def summary(self) -> dict[str, float]:
        """MOTSA and sMOTSA (at most 1, negative where more is wrong than right), MOTSP in [0, 1], and counts."""
        masks = max(1, self.tp + self.fn)
        return {
            "MOTSA": (self.tp - self.fp - self.switches) / masks,
            "sMOTSA": (self.overlap - self.fp - self.switches) / masks,
            "MOTSP": self.overlap / max(1, self.tp),
            "IDSW": self.switches,
            "Frag": self.fragments,
            "MT": self.mostly_tracked,
            "ML": self.mostly_lost,
        }


def clear_counts(video: VideoOverlaps) -> ClearCounts:
    """Count one video; a pair has an IoU of at least 0.5."""
    last_track = np.full(video.num_objects, -1)  # that an object was ever matched to
    track_before = np.full(video.num_objects, -1)  # in the frame before with tracks and objects
    matched_frames = np.zeros(video.num_objects)
    begun = np.zeros(video.num_objects)
    tp = overlap = switches = 0.0
    for here, there, iou in zip(video.objects, video.tracks, video.iou, strict=True):
        if not len(here) or not len(there):
            continue
        same = (track_before[here][:, None] == there[None]) * _CONTINUES
        value = np.where(iou >= MATCHED - EPS, same + iou, 0)
        rows, columns = best_pairs(value)
        rows, columns = rows[value[rows, columns] > EPS], columns[value[rows, columns] > EPS]
        objects, tracks = here[rows], there[columns]
        switches += np.count_nonzero((last_track[objects] >= 0) & (last_track[objects] != tracks))
        last_track[objects] = tracks
        lost = track_before < 0
        track_before[:] = -1
        track_before[objects] = tracks
        begun += lost & (track_before >= 0)
        matched_frames[objects] += 1
        tp += len(rows)
        overlap += float(iou[rows, columns].sum())
    frames = video.frames_of_objects()
    share = matched_frames / np.maximum(1, frames)
    return ClearCounts(
        tp=tp,
        fn=float(frames.sum()) - tp,
        fp=float(video.frames_of_tracks().sum()) - tp,
        overlap=overlap,
        switches=switches,
        fragments=float(np.maximum(begun - 1, 0).sum()),
        mostly_tracked=float(np.count_nonzero(share > 0.8)),
        mostly_lost=float(np.count_nonzero(share < 0.2)),
        objects=video.num_objects,
    )


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
    rows, columns = best_pairs(together)
    tp = float(together[rows, columns].sum())
    return IdentityCounts(tp, float(objects.sum()) - tp, float(tracks.sum()) - tp)
