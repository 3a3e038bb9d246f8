"""PROPOSE, second half: carry every proposed object through the whole video (paper section 3.2).

Two sweeps, forward and backward in time. At each frame the objects of all key frames under way are read and decoded
together; they compete for pixels within their own key frame's group only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.models.heads.propagation import SeqPropHead
from mmdet_vis.propose_reduce.arena import arenas_of
from mmdet_vis.propose_reduce.carry import carrier_of
from mmdet_vis.propose_reduce.collect import FOREGROUND_THR, SequenceCollector
from mmdet_vis.propose_reduce.feature_store import FeatureStore, FrameFeatures
from mmdet_vis.propose_reduce.memory import MemoryConfig
from mmdet_vis.propose_reduce.propose import Group


class Propagator:
    """Sweeps groups of objects through a video.

    Args:
        head: the network's propagation head.
        store: features of the frames.
        collector: takes the masks.
        memory: which frames are remembered.
        chunk_bytes: bytes that one decoder feature map of a chunk of objects may take.
        admit: called with a group and the soft masks ``[N, H, W]`` of the objects under way at its key frame; returns
            the group's objects that are worth propagating. None: all are.
        progress: called after each frame of a sweep with (frames swept, frames to sweep), which may become fewer where
            groups are not admitted.
    """

    def __init__(
        self,
        head: SeqPropHead | LightPropHead,
        store: FeatureStore,
        collector: SequenceCollector,
        memory: MemoryConfig,
        chunk_bytes: int,
        admit: Callable[[Group, Tensor], list[int]] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.carrier = carrier_of(head, chunk_bytes)
        self.store = store
        self.collector = collector
        self.memory = memory
        self.num_frames = collector.num_frames
        self.admit = admit
        self.progress = progress
        self._groups: Sequence[Group] = ()
        self._swept = 0
        self._ended: list[Group] = []

    @torch.no_grad()
    def run(self, groups: Sequence[Group]) -> None:
        """Propagate all groups (sorted by key frame) forward and backward."""
        if groups:
            self._groups, self._swept = groups, 0
            self._sweep(groups, self._frames()[0])
            self._sweep([g for g in groups if g.size], self._frames()[1])

    def _frames(self) -> tuple[range, range]:
        """The frames of the forward and of the backward sweep; the latter starts at the last group that is carried."""
        started = [g for g in self._groups if g.size]
        stop = max(self.num_frames if g.span is None else g.span.stop for g in self._groups)
        start = min((0 if g.span is None else g.span.start for g in started), default=0)
        return range(self._groups[0].key, stop), range((started[-1].key if started else 0) - 1, start - 1, -1)

    def _sweep(self, groups: Sequence[Group], frames: range) -> None:
        self._ended = []
        self.collector.wait()  # an arena looks at what the sweep before has found
        for t in frames:
            arriving = [g for g in groups if g.key == t] if frames.step > 0 else []
            under_way = [
                g for g in groups if (t - g.key) * frames.step > 0 and g.size and g.covers(t) and g not in self._ended
            ]
            last = t == frames[-1]
            if self.admit is not None and arriving:
                soft = self._step(t, under_way, frames.step, last)
                if len(soft):  # nothing under way covers nothing
                    whole = self.carrier.full_size(soft)
                    for group in arriving:
                        group.masks = [group.masks[i] for i in self.admit(group, whole)]
                self._step(t, [g for g in arriving if g.size], frames.step, last)
            else:
                self._step(t, under_way + arriving, frames.step, last)
            self._swept += 1
            if self.progress is not None:
                self.progress(self._swept, sum(map(len, self._frames())))
        for group in groups:
            group.memory = None

    def _step(self, t: int, groups: list[Group], direction: int, last: bool) -> Tensor:
        """Segment frame ``t`` for some groups; returns their soft masks ``[N, h, w]`` at the carrier's size."""
        features = self.store.get(t, direction)
        if not groups:
            return torch.zeros((0, 1, 1), device=features.device)
        for group in groups:
            self._prepare(group, features, direction)
        memories = [g.memory for g in groups]
        soft = self.carrier.segment(memories, features, t, arenas_of(groups))
        for group, masks in zip(groups, soft.split([g.size for g in groups]), strict=True):
            if t in group.hidden:
                masks.zero_()
                self.carrier.hide(group.memory)
        self.carrier.deliver(self.collector, t, [i for g in groups for i in g.indices], memories, soft, features)
        for group, masks in zip(groups, soft.split([g.size for g in groups]), strict=True):
            if group.until is None or t == group.key:
                continue
            if group.until(t, self.carrier.full_size(masks) >= FOREGROUND_THR):
                self._ended.append(group)
        if not last:
            self._remember(t, groups, soft, features)
        return soft

    def _prepare(self, group: Group, features: FrameFeatures, direction: int) -> None:
        """Start a group's memory when the sweep reaches it."""
        self._enter(group, features)
        if group.memory is None:
            ahead = self.num_frames - 1 - group.key if direction > 0 else group.key
            for other in group.others:
                if other.entry is None:
                    self._enter(other, self.store.get(other.key, direction))
            others = [other.entry for other in group.others]
            policy = self.memory.start(ahead, self.num_frames)
            group.memory = self.carrier.memory(group.entry, policy, others, group.target)

    def _enter(self, group: Group, features: FrameFeatures) -> None:
        """Give a group's objects a place among the sequences, and bring its key frame into memory form."""
        if group.entry is None:
            device = features.device
            if not group.indices:
                group.indices.extend(self.collector.add_sequences(group.size, device))
            rivals = None if group.arena is None else group.arena.against(group.key, device, group.indices)
            group.entry = self.carrier.enter(group.binary_masks(device), features, group.key, rivals)

    def _remember(self, t: int, groups: list[Group], soft: Tensor, features: FrameFeatures) -> None:
        """Let the groups for which this is not the key frame remember it."""
        parts = zip(groups, soft.split([g.size for g in groups]), strict=True)
        passing = [(g, masks) for g, masks in parts if t != g.key]
        if passing:
            memories, distances = [g.memory for g, _ in passing], [abs(t - g.key) for g, _ in passing]
            self.carrier.remember(memories, distances, torch.cat([masks for _, masks in passing]), features, t)


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
