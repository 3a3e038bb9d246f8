"""PROPOSE, second half: carry every proposed object through the whole video (paper section 3.2).

Two sweeps, forward and backward in time. At each frame the objects of all key frames under way are read and decoded
together; they compete for pixels within their own key frame's group only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead, soft_aggregate
from mmdet_vis.propose_reduce.collect import FOREGROUND_THR, SequenceCollector
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.memory import (
    MemoryAtMost,
    MemoryBank,
    MemoryEveryNth,
    MemoryFirstLastSpaced,
    MemoryFraction,
    MemoryKeyFrame,
)
from mmdet_vis.propose_reduce.propose import Group

MemoryConfig = MemoryEveryNth | MemoryFraction | MemoryAtMost | MemoryFirstLastSpaced | MemoryKeyFrame


class Propagator:
    """Sweeps groups of objects through a video.

    Args:
        head: the network's propagation head.
        store: features of the frames.
        collector: takes the masks.
        memory: which frames are remembered.
        num_frames: T.
        chunk_bytes: bytes that one decoder feature map of a chunk of objects may take.
        admit: called with a group and the soft masks ``[N, H, W]`` of the objects under way at its key frame; returns
            the group's objects that are worth propagating. None: all are.
        on_frame: called after each frame of a sweep, for progress.
    """

    def __init__(
        self,
        head: SeqPropHead,
        store: FeatureStore,
        collector: SequenceCollector,
        memory: MemoryConfig,
        num_frames: int,
        chunk_bytes: int,
        admit: Callable[[Group, Tensor], list[int]] | None = None,
        on_frame: Callable[[], None] | None = None,
    ) -> None:
        self.head = head
        self.store = store
        self.collector = collector
        self.memory = memory
        self.num_frames = num_frames
        self.chunk_bytes = chunk_bytes
        self.admit = admit
        self.on_frame = on_frame
        self._composed = head.composed_skip()

    @torch.no_grad()
    def run(self, groups: Sequence[Group]) -> None:
        """Propagate all groups (sorted by key frame) forward and backward."""
        if not groups:
            return
        self._sweep(groups, range(groups[0].key, self.num_frames))
        started = [g for g in groups if g.size]
        if started:
            self._sweep(started, range(started[-1].key - 1, -1, -1))

    def _sweep(self, groups: Sequence[Group], frames: range) -> None:
        for t in frames:
            if frames.step > 0:
                under_way = [g for g in groups if g.key < t and g.size]
                arriving = [g for g in groups if g.key == t]
            else:
                under_way, arriving = [g for g in groups if g.key > t], []
            last = t == frames[-1]
            if self.admit is not None and arriving:
                soft = self._step(t, under_way, frames.step, last)
                for group in arriving:
                    group.masks = [group.masks[i] for i in self.admit(group, soft)]
                self._step(t, [g for g in arriving if g.size], frames.step, last)
            else:
                self._step(t, under_way + arriving, frames.step, last)
            if self.on_frame is not None:
                self.on_frame()
        for group in groups:
            group.bank = None

    def _step(self, t: int, groups: list[Group], direction: int, last: bool) -> Tensor:
        """Segment frame ``t`` for some groups; returns their soft masks ``[N, H, W]``."""
        features = self.store.get(t, direction)
        terms = features.terms
        if not groups:
            return terms.p2.new_zeros((0, 4 * terms.p2.shape[-2], 4 * terms.p2.shape[-1]), dtype=torch.float32)
        for group in groups:
            self._prepare(group, terms, direction)
        sizes = [g.size for g in groups]
        read = torch.cat(
            [self.head.read(terms.query_key[0], g.bank.keys, g.bank.values) for g in groups if g.bank is not None]
        )
        chunk = self._chunk(terms)
        probability = torch.cat([self.head.decode(part, terms) for part in read.split(chunk)])
        soft = torch.cat([soft_aggregate(p) for p in probability.split(sizes)])
        self.collector.add_frame(t, [i for g in groups for i in g.indices], soft, features)
        if not last:
            self._remember(t, groups, soft, terms)
        return soft

    def _chunk(self, terms: FrameTerms) -> int:
        return max(1, self.chunk_bytes // max(terms.skip2[0].nbytes, 1))

    def _prepare(self, group: Group, terms: FrameTerms, direction: int) -> None:
        """Start a group's memory when the sweep reaches it."""
        if group.entry is None:
            group.indices = self.collector.add_sequences(group.size, terms.p2.device)
            group.entry = self._memorize(group.binary_masks(terms.p2.device), terms)
        if group.bank is None:
            ahead = self.num_frames - 1 - group.key if direction > 0 else group.key
            group.bank = MemoryBank(*group.entry, self.memory.start(ahead, self.num_frames))

    def _memorize(self, masks: Tensor, terms: FrameTerms) -> tuple[Tensor, Tensor]:
        skip = self.head.frame_skip(terms.p2), self._composed
        parts = [self.head.memorize(terms.p2, part, skip) for part in masks.split(self._chunk(terms))]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _remember(self, t: int, groups: list[Group], soft: Tensor, terms: FrameTerms) -> None:
        """Write the frame into the memories whose policy wants it: the soft masks, not the thresholded ones."""
        writes: list[tuple[MemoryBank, int, Tensor]] = []
        for group, masks in zip(groups, soft.split([g.size for g in groups]), strict=True):
            if t == group.key or group.bank is None:
                continue
            slot = group.bank.policy.slot(abs(t - group.key))
            if slot is not None:
                writes.append((group.bank, slot, masks))
        if not writes:
            return
        keys, values = self._memorize(torch.cat([w[2] for w in writes]), terms)
        sizes = [len(w[2]) for w in writes]
        for (bank, slot, _), k, v in zip(writes, keys.split(sizes), values.split(sizes), strict=True):
            bank.write(slot, k, v)


def uncovered(group: Group, soft: Tensor, iou_thr: float) -> list[int]:
    """Objects of a key frame that no sequence under way covers there.

    Args:
        group: K detected objects.
        soft: ``[N, H, W]`` float, soft masks at the key frame of the sequences that have reached it.
        iou_thr: an object whose mask IoU with one of them is at least this is covered.

    Returns:
        Indices of the uncovered objects.
    """
    detected = group.binary_masks(soft.device)
    height, width = detected.shape[1:]
    # Padding holds no detection, so the propagated masks are compared inside the image only.
    propagated = (soft[:, :height, :width] >= FOREGROUND_THR).float()
    a, b = detected.flatten(1), propagated.flatten(1)
    overlap = a @ b.t()
    union = a.sum(dim=1)[:, None] + b.sum(dim=1)[None, :] - overlap
    covered = (overlap >= iou_thr * union.clamp(min=1)).any(dim=1)
    return torch.nonzero(~covered).flatten().tolist()
