"""The step from frame to frame: what each type of propagation head needs done around its functions on tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_vis.models.heads.light_propagation import Attention, LightPropHead, LightTerms, rivals_of
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead
from mmdet_vis.propose_reduce.arena import Side, compete
from mmdet_vis.propose_reduce.collect import FOREGROUND_THR, SequenceCollector, enlarged, packed_boxes, sharpness
from mmdet_vis.propose_reduce.feature_store import FrameFeatures
from mmdet_vis.propose_reduce.memory import Look, MemoryBank, MemoryPolicy, SharedKeyBank
from mmdet_vis.propose_reduce.target import TargetModel
from mmdet_vis.structures.boxes import mask_boxes


class Carrier(ABC):
    """Carries groups of objects from one frame to the next.

    Masks are soft, ``[N, h, w]`` float32 in [0, 1] over all objects of all groups in order; ``h`` and ``w`` are the
    carrier's own choice, :meth:`full_size` brings them to the size of the padded image.

    Args:
        head: a propagation head.
        chunk_bytes: bytes that one decoder feature map of a chunk of objects may take.
    """

    def __init__(self, head: Any, chunk_bytes: int) -> None:
        self.head = head
        self.chunk_bytes = chunk_bytes

    @abstractmethod
    def enter(self, masks: Tensor, features: FrameFeatures, time: int, rivals: Tensor | None = None) -> Any:
        """Write a group's detected masks ``[K, H, W]`` (0 or 1) of key frame ``time`` into memory form: an entry.

        ``rivals`` ``[H, W]`` in [0, 1] are what else they compete with there.
        """

    @abstractmethod
    def memory(
        self, entry: Any, policy: MemoryPolicy, others: Sequence[Any] = (), target: TargetModel | None = None
    ) -> Any:
        """A memory that holds an entry so far, at the start of a sweep, and entries of other frames for good.

        ``target`` tells the pixels of its only object from others, where masks are carried at 1/4 of the image.
        """

    @abstractmethod
    def segment(
        self, memories: Sequence[Any], features: FrameFeatures, time: int, arenas: Sequence[Side] = ()
    ) -> Tensor:
        """Masks of all objects in frame ``time``, after those of a group, or of an arena, have competed.

        For ``arenas`` see :func:`~mmdet_vis.propose_reduce.arena.arenas_of`; each memory is alone without them.
        """

    def hide(self, memory: Any) -> None:  # noqa: B027  # nothing of the frame before is used, unless said otherwise
        """The objects of a memory were not there in the frame just segmented."""

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
        writes = []
        parts = soft.split([memory.size for memory in memories])
        for memory, distance, masks in zip(memories, distances, parts, strict=True):
            slot = memory.policy.slot(distance, self._look(features.terms, masks))
            if slot is not None:
                writes.append((memory, slot, masks))
        if writes:
            written, slots, masks_written = zip(*writes, strict=True)
            self._write(written, slots, torch.cat(masks_written), features.terms, time)

    @abstractmethod
    def _write(self, memories: Sequence[Any], slots: Sequence[int], masks: Tensor, terms: Any, time: int) -> None:
        """Write the masks of the objects of these memories, in a frame, into one slot of each."""

    def _look(self, terms: Any, masks: Tensor) -> Look | None:
        """What objects look like in a frame; None if this carrier does not know."""
        return None

    def full_size(self, soft: Tensor) -> Tensor:
        """Soft masks at the size of the padded image, which they have unless said otherwise."""
        return soft

    @abstractmethod
    def deliver(
        self, collector: SequenceCollector, time: int, sequences: list[int], memories: Sequence[Any], soft: Tensor,
        features: FrameFeatures,
    ) -> None:  # fmt: skip
        """Hand the masks of all objects of these memories in frame ``time`` to the collector."""

    def _chunk(self, terms: Any) -> int:
        """How many objects are taken at a time."""
        return max(1, self.chunk_bytes // max(terms.skip2[0].nbytes, 1))


def carrier_of(head: Any, chunk_bytes: int) -> Carrier:
    """The carrier for a propagation head; arguments as of :class:`Carrier`."""
    return (SharedKeyCarrier if isinstance(head, LightPropHead) else ObjectKeyCarrier)(head, chunk_bytes)


def entry_bytes(head: Any, image_size: tuple[int, int], dtype: torch.dtype) -> int:
    """Bytes that a remembered frame takes for each object, of frames with this (height, width) before padding."""
    positions = ceil(image_size[0] / 32) * ceil(image_size[1] / 32) * 4  # the network's input is padded to 32
    channels: int = head.channels if isinstance(head, LightPropHead) else head.key_channels + head.channels
    return positions * channels * dtype.itemsize


class ObjectKeyCarrier(Carrier):
    """For :class:`SeqPropHead`: every object has keys of its own, and masks are drawn at the size of the image."""

    def __init__(self, head: SeqPropHead, chunk_bytes: int) -> None:
        super().__init__(head, chunk_bytes)
        self._composed = head.composed_skip()

    def enter(
        self, masks: Tensor, features: FrameFeatures, time: int, rivals: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See :class:`Carrier`; keys ``[K, P, D]`` and values ``[K, P, V]``."""
        return self._memorize(masks, features.terms)

    def memory(
        self, entry: tuple[Tensor, Tensor], policy: MemoryPolicy, others: Sequence[tuple[Tensor, Tensor]] = (),
        target: TargetModel | None = None,
    ) -> MemoryBank:  # fmt: skip
        """See :class:`Carrier`."""
        return MemoryBank(*entry, policy, others)

    def segment(
        self, memories: Sequence[MemoryBank], features: FrameFeatures, time: int, arenas: Sequence[Side] = ()
    ) -> Tensor:
        """See :class:`Carrier`."""
        terms: FrameTerms = features.terms
        read = torch.cat([self.head.read(terms.query_key[0], bank.keys, bank.values) for bank in memories])
        probability = torch.cat([self.head.decode(part, terms) for part in read.split(self._chunk(terms))])
        arenas = arenas or [Side(bank.size) for bank in memories]
        parts = zip(arenas, probability.split([arena.size for arena in arenas]), strict=True)
        return torch.cat([compete(p, arena.against(time, p.device)) for arena, p in parts])

    def _write(
        self, memories: Sequence[MemoryBank], slots: Sequence[int], masks: Tensor, terms: FrameTerms, time: int
    ) -> None:
        keys, values = self._memorize(masks, terms)
        sizes = [bank.size for bank in memories]
        for bank, slot, k, v in zip(memories, slots, keys.split(sizes), values.split(sizes), strict=True):
            bank.write(slot, k, v)

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


@dataclass
class SharedEntry:
    """A key frame's entry.

    Attributes:
        time: index of the frame.
        keys: ``[P, D]``.
        values: ``[P, K, C]``.
        masks: ``[K, h, w]`` float32 at 1/4 of the padded image.
        rivals: the same of what competes with each of them.
        detected: ``[K, H, W]`` uint8, as they were detected; None once they were delivered.
    """

    time: int
    keys: Tensor
    values: Tensor
    masks: Tensor
    rivals: Tensor
    detected: Tensor | None


class SharedKeyCarrier(Carrier):
    """For :class:`LightPropHead`: keys and attention are the frame's, and masks are carried at 1/4 of the image.

    Attributes:
        visible: ``[N]`` probability that each object is there at all, of the frame segmented last.
    """

    SEEN = 0.5
    """An object whose probability of being there is less has no mask in a frame."""

    visible: Tensor | None = None

    def enter(self, masks: Tensor, features: FrameFeatures, time: int, rivals: Tensor | None = None) -> SharedEntry:
        """See :class:`Carrier`."""
        terms: LightTerms = features.terms
        small = self.head.shrink(masks, _quarter(terms))
        against = rivals_of(small, [len(small)])
        if rivals is not None:
            against = (against + self.head.shrink(rivals[None], _quarter(terms))).clamp(0, 1)
        values = self._memorize(small, against, terms)
        return SharedEntry(time, _keys(terms), values, small, against, masks.to(torch.uint8))

    def memory(
        self, entry: SharedEntry, policy: MemoryPolicy, others: Sequence[SharedEntry] = (),
        target: TargetModel | None = None,
    ) -> SharedKeyBank:  # fmt: skip
        """See :class:`Carrier`."""
        more = [(other.time, other.keys, other.values) for other in others]
        bank = SharedKeyBank(entry.time, entry.keys, entry.values, entry.masks, policy, more, target)
        bank.rivals = entry.rivals
        bank.detected, entry.detected = entry.detected, None
        return bank

    def segment(
        self, memories: Sequence[SharedKeyBank], features: FrameFeatures, time: int, arenas: Sequence[Side] = ()
    ) -> Tensor:
        """See :class:`Carrier`; in their key frame objects keep the masks that were detected."""
        arenas = arenas or [Side(bank.size) for bank in memories]
        passing = [bank for bank in memories if bank.times[0] != time]
        if passing:
            self._draw(memories, passing, arenas, features, time)
        self.visible = torch.cat([bank.visible for bank in memories])
        return torch.cat([bank.masks for bank in memories])

    def hide(self, memory: SharedKeyBank) -> None:
        """See :class:`Carrier`."""
        memory.masks = torch.zeros_like(memory.masks)

    def _draw(
        self, present: Sequence[SharedKeyBank], memories: Sequence[SharedKeyBank], arenas: Sequence[Side],
        features: FrameFeatures, time: int,
    ) -> None:  # fmt: skip
        """Masks and visibility of all objects in a frame that is not their key frame.

        Args:
            present: all memories of the frame; ``arenas`` divide their objects.
            memories: those for which it is not the key frame.
        """
        terms: LightTerms = features.terms
        sizes = [bank.size for bank in memories]
        attention: dict[int, Attention] = {}
        read = []
        for bank in memories:
            for t, keys in zip(bank.times, bank.keys, strict=True):
                if t not in attention:
                    attention[t] = self.head.attend(terms, keys, just_before=abs(t - time) == 1)
            read.append(self.head.read([attention[t] for t in bank.times], bank.values))
        before = torch.cat([bank.masks for bank in memories])
        rivals = torch.cat([bank.rivals for bank in memories])
        chunk = self._chunk(terms)
        parts = zip(torch.cat(read).split(chunk), before.split(chunk), rivals.split(chunk), strict=True)
        found = [self.head.decode(r, terms, b, o) for r, b, o in parts]
        visible = torch.cat([f.visible for f in found]).sigmoid()
        logits = torch.cat([f.logits for f in found])
        for bank, own in zip(memories, logits.split(sizes), strict=True):
            if bank.target is not None:
                own += bank.target.share * bank.target.logits(features)
        probability = logits.sigmoid_()
        for bank, masks, seen in zip(memories, probability.split(sizes), visible.split(sizes), strict=True):
            bank.masks, bank.visible = masks, seen
        self._compete(present, arenas, terms, time)

    def _compete(self, memories: Sequence[SharedKeyBank], arenas: Sequence[Side], terms: LightTerms, time: int) -> None:
        """Let the objects of each arena compete, of which those in their key frame keep their masks."""
        banks = list(memories)
        for arena in arenas:
            fixed = arena.against(time, terms.key.device)
            against = None if fixed is None else self.head.shrink(fixed[None], _quarter(terms))[0]
            mine: list[SharedKeyBank] = []
            while sum(bank.size for bank in mine) < arena.size:
                mine.append(banks.pop(0))
            sizes = [bank.size for bank in mine]
            shared = compete(torch.cat([bank.masks for bank in mine]), against)
            for bank, masks in zip(mine, shared.split(sizes), strict=True):
                if bank.times[0] != time:
                    bank.masks = masks * (bank.visible >= self.SEEN)[:, None, None]
            whole = rivals_of(torch.cat([bank.masks for bank in mine]), [arena.size])
            if against is not None:
                whole = (whole + against).clamp(0, 1)
            for bank, others in zip(mine, whole.split(sizes), strict=True):
                if bank.times[0] != time:
                    bank.rivals = others

    def _look(self, terms: LightTerms, masks: Tensor) -> Look:
        """The mean key where a group's objects ``[K, h, w]`` are: ``[D]``, of length 0 to 1."""

        def look() -> Tensor:
            share = F.avg_pool2d(masks.sum(dim=0, keepdim=True).clamp(0, 1)[None], 4).flatten()
            return (share @ _keys(terms).float()) / share.sum().clamp(min=1e-6)

        return look

    def _write(
        self, memories: Sequence[SharedKeyBank], slots: Sequence[int], masks: Tensor, terms: LightTerms, time: int
    ) -> None:
        keys = _keys(terms)
        values = self._memorize(masks, torch.cat([bank.rivals for bank in memories]), terms)
        parts = values.split([bank.size for bank in memories], dim=1)
        for bank, slot, value in zip(memories, slots, parts, strict=True):
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
        for bank, part in zip(memories, packed.split([b.size for b in memories]), strict=True):
            if bank.detected is not None:
                _, height, width = bank.detected.shape
                part.zero_()
                part[:, :width, :height] = bank.detected.transpose(1, 2)
                bank.detected = None
        if soft.is_cuda:
            boxes, visible = mask_boxes(packed.bool().transpose(1, 2))
        else:
            _, width, height = packed.shape
            boxes, visible = (torch.from_numpy(x) for x in packed_boxes(list(packed.numpy()), (width, height)))
        collector.add_masks(time, sequences, packed, boxes, visible, features, sharpness(soft, soft >= FOREGROUND_THR))

    def _memorize(self, masks: Tensor, rivals: Tensor, terms: LightTerms) -> Tensor:
        """Entries ``[P, N, C]``."""
        chunk = self._chunk(terms)
        parts = zip(masks.split(chunk), rivals.split(chunk), strict=True)
        return torch.cat([self.head.memorize(terms, m, r).transpose(0, 1) for m, r in parts], dim=1)


def _quarter(terms: LightTerms) -> tuple[int, int]:
    """Height and width of the masks that are carried."""
    return terms.skip2.shape[-2], terms.skip2.shape[-1]


def _keys(terms: LightTerms) -> Tensor:
    """A frame's keys ``[P, D]``."""
    return terms.key[0].flatten(1).t().contiguous()
