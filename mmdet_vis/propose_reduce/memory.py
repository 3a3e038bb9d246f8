"""Which frames a memory keeps. Policies know distances in time and slots; they hold no features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from mmdet_vis.propose_reduce.target import TargetModel
from mmdet_vis.registry import TASK_UTILS

Look = Callable[[], Tensor]
"""Gives a vector ``[D]`` of length 0 to 1, computed when asked for: what a group's objects look like in a frame."""


class MemoryBank:
    """Memory of K objects that move through time together.

    Entries are written in place, never concatenated; the filled part is a view.

    Args:
        keys: ``[K, P, D]`` of the key frame, P positions.
        values: ``[K, P, V]`` of the key frame.
        policy: which later frames are kept, and where.
        others: keys and values of further frames that are never given up.

    Attributes:
        size: K.
    """

    def __init__(
        self, keys: Tensor, values: Tensor, policy: MemoryPolicy, others: Sequence[tuple[Tensor, Tensor]] = ()
    ) -> None:
        self.policy = policy
        self.filled = 1
        self._others = len(others)
        self.size, self.positions, width = keys.shape
        size = (policy.capacity + len(others)) * self.positions
        # Untouched pages of a large block cost nothing on the CPU until they are written.
        self._keys = keys.new_empty((self.size, size, width))
        self._values = values.new_empty((self.size, size, values.shape[2]))
        for slot, entry in enumerate(((keys, values), *others)):
            self._write(slot, *entry)
        self.filled += len(others)

    def _write(self, slot: int, keys: Tensor, values: Tensor) -> None:
        span = slice(slot * self.positions, (slot + 1) * self.positions)
        self._keys[:, span] = keys
        self._values[:, span] = values

    def write(self, slot: int, keys: Tensor, values: Tensor) -> None:
        """Store one frame's entry ``[K, P, D]``, ``[K, P, V]`` in a slot that the policy gave."""
        slot += self._others
        self._write(slot, keys, values)
        self.filled = max(self.filled, slot + 1)

    @property
    def keys(self) -> Tensor:
        """``[K, S, D]``: all remembered positions."""
        return self._keys[:, : self.filled * self.positions]

    @property
    def values(self) -> Tensor:
        """``[K, S, V]``."""
        return self._values[:, : self.filled * self.positions]


class SharedKeyBank:
    """Memory of K objects whose keys are those of the frames.

    Args:
        time: the key frame.
        keys: ``[P, D]`` of it.
        values: ``[P, K, C]`` of it.
        masks: ``[K, h, w]`` of it.
        policy: which later frames are kept, and where.
        others: time, keys and values of further frames that are never given up.
        target: tells the pixels of the only object from others; None: nobody does.

    Attributes:
        size: K.
        masks: of the frame just passed.
        rivals: ``[K, h, w]`` in [0, 1]: what competed with each object there.
        visible: ``[K]`` probability that each object is there at all, of the same frame.
        detected: ``[K, H, W]`` uint8 at the size of the image, until the key frame's masks were delivered.
        times: frames that are remembered, by slot.
    """

    def __init__(
        self, time: int, keys: Tensor, values: Tensor, masks: Tensor, policy: MemoryPolicy,
        others: Sequence[tuple[int, Tensor, Tensor]] = (), target: TargetModel | None = None,
    ) -> None:  # fmt: skip
        self.target = target
        self.policy, self.masks, self._others = policy, masks, len(others)
        self.rivals = torch.zeros_like(masks)
        self.visible = masks.new_ones(len(masks))
        self.detected: Tensor | None = None
        self.times, self.keys = [time, *(t for t, _, _ in others)], [keys, *(k for _, k, _ in others)]
        self.size, self.positions = len(masks), len(keys)
        size = (policy.capacity + len(others)) * self.positions
        self._values = values.new_empty((size, *values.shape[1:]))
        for slot, value in enumerate((values, *(v for _, _, v in others))):
            self._values[slot * self.positions : (slot + 1) * self.positions] = value

    def write(self, slot: int, time: int, keys: Tensor, values: Tensor) -> None:
        """Store a frame's keys ``[P, D]`` and values ``[P, K, C]`` in a slot that the policy gave.

        Raises:
            ValueError: slots are not filled in order.
        """
        slot += self._others
        if slot > len(self.times):
            raise ValueError(f"slot {slot} of a memory of {len(self.times)} frames: the slots before must be filled")
        if slot == len(self.times):
            self.times.append(time)
            self.keys.append(keys)
        self.times[slot], self.keys[slot] = time, keys
        self._values[slot * self.positions : (slot + 1) * self.positions] = values

    @property
    def values(self) -> Tensor:
        """``[M * P, K, C]`` of the M frames that are remembered."""
        return self._values[: len(self.times) * self.positions]


class MemoryPolicy(Protocol):
    """Decides, for one memory and one direction of time, where the entry of a frame is written.

    Slot 0 is the key frame's entry (distance 0), which every policy keeps.
    """

    capacity: int
    """Slots that the memory must have."""

    def slot(self, distance: int, look: Look | None = None) -> int | None:
        """Slot for the frame this many frames from the key frame, or None if it is not remembered.

        Called once for each distance 1, 2, 3 … in order. A slot given before is overwritten. The look is that of the
        objects in this frame, for policies that compare frames; None where nobody knows.
        """
        ...


class EveryNth:
    """Every ``step``-th frame is remembered; the memory grows with the video (the reference's ``mem_step``)."""

    def __init__(self, num_frames: int, step: int = 1) -> None:
        self.step = step
        self.capacity = 1 + num_frames // step

    def slot(self, distance: int, look: Look | None = None) -> int | None:
        """See :class:`MemoryPolicy`."""
        return distance // self.step if distance % self.step == 0 else None


class EvenlySpread:
    """At most ``size`` frames, about evenly spread over the past, the key frame among them.

    Starts with every ``step``-th frame; whenever the memory is full, the step doubles and every other remembered frame
    gives its slot to a coming one (until then it stays readable).

    Args:
        num_frames: see :class:`MemoryConfig`.
        size: most entries, at least 2.
        step: smallest distance between remembered frames.
    """

    def __init__(self, num_frames: int, size: int, step: int = 1) -> None:
        self.capacity = min(size, 1 + num_frames // step)
        self.step = step
        self.slots: dict[int, int] = {0: 0}

    def slot(self, distance: int, look: Look | None = None) -> int | None:
        """See :class:`MemoryPolicy`."""
        if distance % self.step:
            return None
        if len(self.slots) == self.capacity:
            self.step *= 2
            self.slots = {d: s for d, s in self.slots.items() if d % self.step == 0}
            if distance % self.step or len(self.slots) == self.capacity:
                return None
        used = set(self.slots.values())
        free = next(s for s in range(self.capacity) if s not in used)
        self.slots[distance] = free
        return free


class FirstLast:
    """The key frame, the frame just passed, and some of every ``step``-th frame.

    While there is room these are kept. Then the oldest goes, or, where looks are compared and known, of the kept ones
    and the new one that in which the objects look most like in another; the key frame stays.

    Args:
        size: entries, at least 3; all but two hold spaced frames.
        step: distance between spaced frames.
        compares: whether looks are asked for; if not, the newest frames are kept, for streams without an end.
    """

    def __init__(self, size: int, step: int, compares: bool = False) -> None:
        self.capacity = size
        self.step = step
        self.compares = compares
        self.looks: dict[int, Tensor] = {}
        self._order: list[int] = []

    def slot(self, distance: int, look: Look | None = None) -> int | None:
        """See :class:`MemoryPolicy`. Slot 1 is the frame just passed, unless it is kept in another one."""
        if distance % self.step:
            return 1
        used, seen = len(self._order), look() if self.compares and look is not None else None
        if used < self.capacity - 2:
            chosen: int | None = 2 + used
        else:
            chosen = self._order[0] if seen is None else self._most_alike(seen)
        if chosen is None:
            return 1
        self._order = [s for s in self._order if s != chosen] + [chosen]
        if seen is not None:
            self.looks[chosen] = seen
        return chosen

    def _most_alike(self, look: Tensor) -> int | None:
        """The slot to give up for a candidate of this look; None if the candidate is the one to go."""
        slots = sorted(self.looks)
        vectors = torch.stack([*(self.looks[s] for s in slots), look])
        alike = vectors @ vectors.t()
        alike.fill_diagonal_(-1.0)
        first = int(alike.max(dim=1).values.argmax())
        second = int(alike[first].argmax())
        # Of the two most alike, the one goes that is also more like the rest.
        rest = alike.topk(2, dim=1).values[:, 1]
        gone = first if rest[first] >= rest[second] else second
        return slots[gone] if gone < len(slots) else None


class MemoryConfig(Protocol):
    """Which frames are remembered: what a config's ``propose_reduce.memory`` names, one of the classes below."""

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory and direction.

        Args:
            num_frames: frames between the key frame and the end of the video in this direction.
            video_length: frames of the video.
        """
        ...


@dataclass
class _Least:
    least: ClassVar[dict[str, int]] = {"size": 3, "step": 2}

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in self.least}
        if any(given[name] < least for name, least in self.least.items()):
            needed = " and ".join(f"{name} >= {least}" for name, least in self.least.items())
            raise ValueError(f"the memory needs {needed}, got {' and '.join(map(str, given.values()))}")


@TASK_UTILS.register_module()
@dataclass
class MemoryEveryNth(_Least):
    """Config of :class:`EveryNth`: ``step=1`` remembers every frame (all YouTube-VIS rows)."""

    step: int = 1
    least: ClassVar[dict[str, int]] = {"step": 1}

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return EveryNth(num_frames, self.step)


@TASK_UTILS.register_module()
class MemoryKeyFrame:
    """No frame but the key frame is remembered, as in matching against the first mask alone: for ablations."""

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return EveryNth(num_frames, num_frames + 1)


@TASK_UTILS.register_module()
@dataclass
class MemoryFraction(_Least):
    """The reference's ``mem_num``: every ``max(T // num, 1)``-th frame, so about ``num`` over the whole video.

    A video of fewer than ``2 * num`` frames remembers every frame, as in the reference: up to ``2 * num - 1``.
    """

    num: int = 10
    least: ClassVar[dict[str, int]] = {"num": 1}

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return EveryNth(num_frames, max(video_length // self.num, 1))


@TASK_UTILS.register_module()
@dataclass
class MemoryAtMost(_Least):
    """Config of :class:`EvenlySpread`: bounded memory for long videos."""

    size: int = 16
    step: int = 1
    least: ClassVar[dict[str, int]] = {"size": 2, "step": 1}

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return EvenlySpread(num_frames, self.size, self.step)


@TASK_UTILS.register_module()
@dataclass
class MemoryFirstLastSpaced(_Least):
    """Config of :class:`FirstLast` that keeps the newest: bounded memory that follows a stream."""

    size: int = 8
    step: int = 5

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return FirstLast(self.size, self.step)


@TASK_UTILS.register_module()
@dataclass
class MemoryFirstLastDistinct(_Least):
    """Config of :class:`FirstLast` that compares looks: few entries, for heads that know the looks of frames."""

    size: int = 5
    step: int = 2

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """See :class:`MemoryConfig`."""
        return FirstLast(self.size, self.step, compares=True)
