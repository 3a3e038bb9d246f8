"""From detections of single frames to tracks, by their overlap; no network and no video in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

from mmdet_vis.structures.boxes import box_iou
from mmdet_vis.structures.masks import RLE

Overlap = Literal["mask", "box"]
OVERLAPS: tuple[Overlap, ...] = ("mask", "box")


@dataclass
class FrameObjects:
    """Detections of one frame.

    Attributes:
        boxes: ``[N, 4]`` float32 inclusive boxes on the CPU.
        labels: N 0-based categories.
        masks: N RLEs.
        class_scores: ``[N, C + 1]`` float32 class probabilities, index 0 is background.
    """

    boxes: Tensor
    labels: Sequence[int]
    masks: Sequence[RLE]
    class_scores: NDArray[np.float32]


@dataclass
class Track:
    """Detections of one category that are taken for the same object.

    Attributes:
        label: 0-based category.
        box: ``[4]`` float32, of the latest detection.
        last: frame of the latest detection.
        masks: RLE by frame, of the frames in which the object was detected.
        class_sum: ``[C + 1]`` float64, sum of the detections' class probabilities.
    """

    label: int
    box: Tensor
    last: int
    masks: dict[int, RLE] = field(default_factory=dict)
    class_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def class_scores(self) -> NDArray[np.float32]:
        """``[C + 1]`` float32: mean class probabilities of the detections."""
        return (self.class_sum / len(self.masks)).astype(np.float32)


@dataclass
class IoULinker:
    """Links detections frame by frame: the assignment of detections to tracks with the largest sum of IoUs.

    A detection only continues a track of its own category that overlaps it enough; otherwise it starts a new one.

    Args:
        iou: overlap of masks or of boxes.
        iou_thr: smallest IoU with the latest detection of a track, in [0, 1]; objects without overlap are never linked.
        max_lost: a track may miss detections in so many consecutive frames and still go on.
    """

    iou: Overlap = "mask"
    iou_thr: float = 0.3
    max_lost: int = 5
    tracks: list[Track] = field(default_factory=list, init=False)

    def add(self, frame: int, objects: FrameObjects) -> None:
        """Take the detections of a frame; frames come in increasing order, those without detections may be left out."""
        alive = [track for track in self.tracks if frame - track.last - 1 <= self.max_lost]
        owner: dict[int, Track] = {}
        if alive and objects.masks:
            from scipy.optimize import linear_sum_assignment  # half a second that only this method should cost

            gain = self._gain(alive, objects)
            for row, column in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
                if gain[row, column] > 0:
                    owner[int(column)] = alive[row]
        for index, mask in enumerate(objects.masks):
            scores = objects.class_scores[index].astype(np.float64)
            track = owner.get(index)
            if track is None:
                track = Track(int(objects.labels[index]), objects.boxes[index], frame, class_sum=np.zeros_like(scores))
                self.tracks.append(track)
            track.box, track.last = objects.boxes[index], frame
            track.masks[frame] = mask
            track.class_sum = track.class_sum + scores

    def _gain(self, tracks: Sequence[Track], objects: FrameObjects) -> NDArray[np.float64]:
        """IoU of tracks and detections ``[M, N]``, 0 where they cannot be the same object."""
        if self.iou == "box":
            overlap = box_iou(torch.stack([track.box for track in tracks]), objects.boxes).numpy().astype(np.float64)
        else:
            latest = [track.masks[track.last] for track in tracks]
            overlap = np.asarray(coco_mask.iou(latest, list(objects.masks), [0] * len(objects.masks)), np.float64)
        same = np.array([track.label for track in tracks])[:, None] == np.asarray(objects.labels)[None, :]
        return np.where(same & (overlap >= self.iou_thr), overlap, 0.0)
