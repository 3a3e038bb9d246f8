"""The same object keeps its number from window to window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.structures import RLE, InstanceSequence, areas

LINK_IOU = 0.3
"""Smallest overlap at which two sequences of neighbouring windows can be one object."""

OTHER_CATEGORY = 0.5
"""What an overlap counts if the categories differ, relative to one of the same category."""


@dataclass
class Identity:
    """An object that is alive: it was visible on the frames that the next window shares.

    Attributes:
        track_id: 1-based.
        class_sum: ``[C]`` float64, sum of the class scores of its windows.
        windows: number of its windows.
        masks: its RLEs on the shared frames.
    """

    track_id: int
    class_sum: NDArray[np.float64]
    windows: int
    masks: list[RLE]

    @property
    def label(self) -> int:
        """0-based category with the highest mean score."""
        return int(self.class_sum.argmax())

    @property
    def score(self) -> float:
        """Mean score of that category."""
        return float(self.class_sum.max() / self.windows)


class IdentityLinker:
    """Gives the sequences of one window after the other their identities.

    The rule: neighbouring windows share ``overlap`` frames, on which both have masks. Two sequences can be one object
    if their sequence IoU on these frames (intersections over unions, both summed over the frames) is at least
    :data:`LINK_IOU`. Among all such pairs the Hungarian method chooses the assignment with the largest sum of IoUs,
    where the IoU of a pair with different categories counts :data:`OTHER_CATEGORY`: the same category is preferred,
    but an object does not lose its number because one window takes it for something else. Its category and score are
    those of the mean class scores over its windows (a category that category-aware reduction dropped counts as 0).

    A sequence without a partner is a new object and gets the next number. An object that is not visible on the shared
    frames, or finds no partner there, is forgotten: one that comes back later gets a new number. So memory depends on
    the number of objects that are alive, not on the length of the stream.

    Args:
        overlap: number of frames that neighbouring windows share, at least 1.

    Attributes:
        alive: identities that the next window may continue.
        total: how many objects there were so far; also the last number given.
    """

    def __init__(self, overlap: int) -> None:
        self.overlap = overlap
        self.alive: list[Identity] = []
        self.total = 0

    def link(self, sequences: Sequence[InstanceSequence], shared: int) -> list[Identity | None]:
        """Identities of the sequences of the next window, whose ``shared`` first frames are the last of the one before.

        Args:
            sequences: N sequences of T masks, best first.
            shared: ``overlap``, or 0 for the first window.

        Returns:
            N identities; None for a new sequence that is seen on no frame after the shared ones, which nobody would
            ever see, as results of the shared frames are those of the window before.
        """
        partners = self._partners(sequences, shared) if shared else {}
        found: list[Identity | None] = []
        for index, sequence in enumerate(sequences):
            scores = np.maximum(sequence.class_scores, 0).astype(np.float64)
            identity = partners.get(index)
            if identity is None and not areas(sequence.masks[shared:]).any():
                found.append(None)
                continue
            if identity is None:
                self.total += 1
                identity = Identity(self.total, np.zeros_like(scores), 0, [])
            identity.class_sum = identity.class_sum + scores
            identity.windows += 1
            identity.masks = sequence.masks[-self.overlap :]
            found.append(identity)
        self.alive = [identity for identity in found if identity is not None and areas(identity.masks).any()]
        return found

    def _partners(self, sequences: Sequence[InstanceSequence], shared: int) -> dict[int, Identity]:
        """The alive identity that each sequence continues, by the sequence's index."""
        if not self.alive or not sequences:
            return {}
        before = [identity.masks for identity in self.alive]
        overlap = sequence_iou(before + [s.masks[:shared] for s in sequences])[: len(before), len(before) :]
        labels = np.array([identity.label for identity in self.alive])
        same = labels[:, None] == np.array([s.label for s in sequences])[None, :]
        gain = np.where(overlap >= LINK_IOU, overlap * np.where(same, 1.0, OTHER_CATEGORY), 0.0)
        pairs = zip(*linear_sum_assignment(gain, maximize=True), strict=True)
        return {int(column): self.alive[row] for row, column in pairs if gain[row, column] > 0}
