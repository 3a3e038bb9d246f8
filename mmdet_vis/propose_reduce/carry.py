"""The step from frame to frame: what each type of propagation head needs done around its functions on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.heads.light_propagation import Attention, LightPropHead, LightTerms, rivals_of
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead, soft_aggregate
from mmdet_vis.propose_reduce.collect import FOREGROUND_THR, SequenceCollector
from mmdet_vis.propose_reduce.feature_store import FrameFeatures
from mmdet_vis.propose_reduce.memory import Look, MemoryBank, MemoryPolicy, SharedKeyBank
from mmdet_vis.structures.boxes import mask_boxes


class Carrier(Protocol):
    """Carries groups of objects from one frame to the next.

    Masks are soft, ``[N, h, w]`` float32 in [0, 1] over all objects of all groups in order; ``h`` and ``w`` are the
    carrier's own choice, :meth:`full_size` brings them to the size of the padded image.
    """

    def enter(self, masks: Tensor, features: FrameFeatures, time: int) -> Any:
        """Write a group's detected masks ``[K, H, W]`` (0 or 1) of key frame ``time`` into memory form: an entry."""
        ...

    def memory(self, entry: Any, policy: MemoryPolicy) -> Any:
        """A memory that holds an entry so far, at the start of a sweep."""
        ...

    def segment(self, memories: Sequence[Any], features: FrameFeatures, time: int) -> Tensor:
        """Masks of all objects in frame ``time``, after those of a group have competed."""
        ...

    def remember(
        self, memories: Sequence[Any], distances: Sequence[int], soft: Tensor, features: FrameFeatures,
        time: int,
    ) -> None:  # fmt: skip
        """Write frame ``time`` into the memories whose policy wants it: the soft masks, not the thresholded ones.

        Args:
            memories: of groups for which it is not the key frame.
            distances: of the frame from each group's key frame.
            soft: the masks of these groups' objects.
        """
        ...

    def full_size(self, soft: Tensor) -> Tensor:
        """Soft masks at the size of the padded image."""
        ...

    def deliver(
        self, collector: SequenceCollector, time: int, sequences: list[int], memories: Sequence[Any], soft: Tensor,
        features: FrameFeatures,
    ) -> None:  # fmt: skip
        """Hand the masks of all objects of these memories in frame ``time`` to the collector."""
        ...


def carrier_of(head: Any, chunk_bytes: int) -> Carrier:
    """The carrier for a propagation head.

    Args:
        head: a propagation head.
        chunk_bytes: bytes that one decoder feature map of a chunk of objects may take.
    """
    return (
        SharedKeyCarrier(head, chunk_bytes) if isinstance(head, LightPropHead) else ObjectKeyCarrier(head, chunk_bytes)
    )


def entry_channels(head: Any) -> int:
    """Numbers that each position of a remembered frame takes for each object."""
    return head.channels if isinstance(head, LightPropHead) else head.key_channels + head.channels


class ObjectKeyCarrier:
    """For :class:`SeqPropHead`: every object has keys of its own, and masks are drawn at the size of the image."""

    def __init__(self, head: SeqPropHead, chunk_bytes: int) -> None:
        self.head = head
        self.chunk_bytes = chunk_bytes
        self._composed = head.composed_skip()

    def enter(self, masks: Tensor, features: FrameFeatures, time: int) -> tuple[Tensor, Tensor]:
        """See :class:`Carrier`; keys ``[K, P, D]`` and values ``[K, P, V]``."""
        return self._memorize(masks, features.terms)

    def memory(self, entry: tuple[Tensor, Tensor], policy: MemoryPolicy) -> MemoryBank:
        """See :class:`Carrier`."""
        return MemoryBank(*entry, policy)

    def segment(self, memories: Sequence[MemoryBank], features: FrameFeatures, time: int) -> Tensor:
        """See :class:`Carrier`."""
        terms: FrameTerms = features.terms
        read = torch.cat([self.head.read(terms.query_key[0], bank.keys, bank.values) for bank in memories])
        probability = torch.cat([self.head.decode(part, terms) for part in read.split(self._chunk(terms))])
        return torch.cat([soft_aggregate(p) for p in probability.split([len(bank.keys) for bank in memories])])

    def remember(
        self, memories: Sequence[MemoryBank], distances: Sequence[int], soft: Tensor, features: FrameFeatures,
        time: int,
    ) -> None:  # fmt: skip
        """See :class:`Carrier`."""
        writes: list[tuple[MemoryBank, int, Tensor]] = []
        for bank, distance, masks in zip(memories, distances, soft.split([len(b.keys) for b in memories]), strict=True):
            slot = bank.policy.slot(distance)
            if slot is not None:
                writes.append((bank, slot, masks))
        if not writes:
            return
        keys, values = self._memorize(torch.cat([w[2] for w in writes]), features.terms)
        sizes = [len(w[2]) for w in writes]
        for (bank, slot, _), k, v in zip(writes, keys.split(sizes), values.split(sizes), strict=True):
            bank.write(slot, k, v)

    def full_size(self, soft: Tensor) -> Tensor:
        """See :class:`Carrier`: they have it."""
        return soft

    def deliver(
        self, collector: SequenceCollector, time: int, sequences: list[int], memories: Sequence[MemoryBank],
        soft: Tensor, features: FrameFeatures,
    ) -> None:  # fmt: skip
        """See :class:`Carrier`."""
        collector.add_frame(time, sequences, soft, features)

    def _memorize(self, masks: Tensor, terms: FrameTerms) -> tuple[Tensor, Tensor]:
        skip = self.head.frame_skip(terms.p2), self._composed
        parts = [self.head.memorize(terms.p2, part, skip) for part in masks.split(self._chunk(terms))]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _chunk(self, terms: FrameTerms) -> int:
        return max(1, self.chunk_bytes // max(terms.skip2[0].nbytes, 1))


@dataclass
class SharedEntry:
    """A key frame's entry.

    Attributes:
        time: index of the frame.
        keys: ``[P, D]``.
        values: ``[P, K, C]``.
        masks: ``[K, h, w]`` float32 at 1/4 of the padded image.
        detected: ``[K, H, W]`` uint8, as they were detected; None once they were delivered.
    """

    time: int
    keys: Tensor
    values: Tensor
    masks: Tensor
    detected: Tensor | None


class SharedKeyCarrier:
    """For :class:`LightPropHead`: keys and attention are the frame's, and masks are carried at 1/4 of the image.

    Attributes:
        visible: ``[N]`` probability that each object is there at all, of the frame segmented last.
    """

    SEEN = 0.5
    """An object whose probability of being there is less has no mask in a frame."""

    def __init__(self, head: LightPropHead, chunk_bytes: int) -> None:
        self.head = head
        self.chunk_bytes = chunk_bytes
        self.visible: Tensor | None = None

    def enter(self, masks: Tensor, features: FrameFeatures, time: int) -> SharedEntry:
        """See :class:`Carrier`."""
        terms: LightTerms = features.terms
        small = self.head.shrink(masks, (terms.skip2.shape[-2], terms.skip2.shape[-1]))
        values = self._memorize(small, [len(small)], terms)
        return SharedEntry(time, terms.key[0].flatten(1).t().contiguous(), values, small, masks.to(torch.uint8))

    def memory(self, entry: SharedEntry, policy: MemoryPolicy) -> SharedKeyBank:
        """See :class:`Carrier`."""
        bank = SharedKeyBank(entry.time, entry.keys, entry.values, entry.masks, policy)
        bank.detected, entry.detected = entry.detected, None
        return bank

    def segment(self, memories: Sequence[SharedKeyBank], features: FrameFeatures, time: int) -> Tensor:
        """See :class:`Carrier`; in their key frame objects keep the masks that were detected."""
        passing = [bank for bank in memories if bank.times[0] != time]
        if passing:
            self._draw(passing, features.terms, time)
        self.visible = torch.cat([bank.visible for bank in memories])
        return torch.cat([bank.masks for bank in memories])

    def _draw(self, memories: Sequence[SharedKeyBank], terms: LightTerms, time: int) -> None:
        """Masks and visibility of all objects in a frame that is not their key frame."""
        sizes = [len(bank.masks) for bank in memories]
        attention: dict[int, Attention] = {}
        read = []
        for bank in memories:
            for t, keys in zip(bank.times, bank.keys, strict=True):
                if t not in attention:
                    attention[t] = self.head.attend(terms, keys, just_before=abs(t - time) == 1)
            read.append(self.head.read([attention[t] for t in bank.times], bank.values))
        before = torch.cat([bank.masks for bank in memories])
        rivals = rivals_of(before, sizes)
        chunk = self._chunk(terms)
        parts = zip(torch.cat(read).split(chunk), before.split(chunk), rivals.split(chunk), strict=True)
        found = [self.head.decode(r, terms, b, o) for r, b, o in parts]
        visible = torch.cat([f.visible for f in found]).sigmoid()
        probability = torch.cat([f.logits for f in found]).sigmoid_()
        for bank, masks, seen in zip(memories, probability.split(sizes), visible.split(sizes), strict=True):
            bank.masks = soft_aggregate(masks) * (seen >= self.SEEN)[:, None, None]
            bank.visible = seen

    def remember(
        self, memories: Sequence[SharedKeyBank], distances: Sequence[int], soft: Tensor, features: FrameFeatures,
        time: int,
    ) -> None:  # fmt: skip
        """See :class:`Carrier`."""
        terms: LightTerms = features.terms
        keys = terms.key[0].flatten(1).t().contiguous()
        writes: list[tuple[SharedKeyBank, int, Tensor]] = []
        for bank, distance, masks in zip(
            memories, distances, soft.split([len(b.masks) for b in memories]), strict=True
        ):
            slot = bank.policy.slot(distance, _look_of(keys, masks))
            if slot is not None:
                writes.append((bank, slot, masks))
        if not writes:
            return
        sizes = [len(w[2]) for w in writes]
        values = self._memorize(torch.cat([w[2] for w in writes]), sizes, terms)
        for (bank, slot, _), value in zip(writes, values.split(sizes, dim=1), strict=True):
            bank.write(slot, time, keys, value)

    def full_size(self, soft: Tensor) -> Tensor:
        """See :class:`Carrier`."""
        return F.interpolate(soft[:, None], scale_factor=4, mode="bilinear", align_corners=False)[:, 0]

    def deliver(
        self, collector: SequenceCollector, time: int, sequences: list[int], memories: Sequence[SharedKeyBank],
        soft: Tensor, features: FrameFeatures,
    ) -> None:  # fmt: skip
        """See :class:`Carrier`; on the CPU masks are enlarged in the order of run-length codes at once.

        In their key frame objects have the masks that were detected, at full size.
        """
        collector.check(soft)
        if soft.is_cuda:
            packed = (self.full_size(soft) >= FOREGROUND_THR).transpose(1, 2).to(torch.uint8).contiguous()
        else:
            packed = torch.from_numpy(enlarged(soft.transpose(1, 2).contiguous().numpy(), FOREGROUND_THR))
        for bank, part in zip(memories, packed.split([len(b.masks) for b in memories]), strict=True):
            if bank.detected is not None:
                _, height, width = bank.detected.shape
                part.zero_()
                part[:, :width, :height] = bank.detected.transpose(1, 2)
                bank.detected = None
        if soft.is_cuda:
            boxes, visible = mask_boxes(packed.bool().transpose(1, 2))
        else:
            boxes, visible = (torch.from_numpy(x) for x in packed_boxes(packed.numpy()))
        collector.add_masks(time, sequences, packed, boxes, visible, features)

    def _memorize(self, masks: Tensor, sizes: Sequence[int], terms: LightTerms) -> Tensor:
        """Entries ``[P, N, C]``."""
        chunk = self._chunk(terms)
        parts = zip(masks.split(chunk), rivals_of(masks, sizes).split(chunk), strict=True)
        return torch.cat([self.head.memorize(terms, m, r).transpose(0, 1) for m, r in parts], dim=1)

    def _chunk(self, terms: LightTerms) -> int:
        return max(1, self.chunk_bytes // max(terms.skip2[0].nbytes, 1))


def enlarged(soft: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Thresholded masks at four times the size: ``[N, w, h]`` in [0, 1] to ``[N, 4 * w, 4 * h]`` uint8, 0 or 1."""
    number, width, height = soft.shape
    out = np.empty((number, 4 * width, 4 * height), bool)
    for small, large in zip(soft, out, strict=True):
        if small.max() >= threshold:  # what is interpolated is no larger
            grown = cv2.resize(small, (4 * height, 4 * width), interpolation=cv2.INTER_LINEAR)
            np.greater_equal(grown, threshold, out=large)
        else:
            large[:] = False
    return out.view(np.uint8)


def packed_boxes(packed: NDArray[np.uint8], margin: int = 1) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """:func:`~mmdet_vis.structures.boxes.mask_boxes` of masks ``[N, W, H]`` in the order of run-length codes."""
    boxes = np.zeros((len(packed), 4), np.float32)
    visible = np.zeros(len(packed), bool)
    _, width, height = packed.shape
    for index, mask in enumerate(packed):
        y, x, rows, columns = cv2.boundingRect(mask)
        if rows:
            visible[index] = True
            boxes[index] = (
                max(x - margin, 0), max(y - margin, 0),
                min(x + columns - 1 + margin, width - 1), min(y + rows - 1 + margin, height - 1),
            )  # fmt: skip
    return boxes, visible


def _look_of(keys: Tensor, masks: Tensor) -> Look:
    """What the objects ``[K, h, w]`` of a group look like in a frame with keys ``[P, D]``: ``[D]``, of length 0 to 1.

    The mean key where they are. It is asked for only by policies that compare frames.
    """

    def look() -> Tensor:
        share = F.avg_pool2d(masks.sum(dim=0, keepdim=True).clamp(0, 1)[None], 4).flatten()
        return (share @ keys.float()) / share.sum().clamp(min=1e-6)

    return look
