"""Which frames a memory keeps. Policies know distances in time and slots; they hold no features."""

from __future__ import annotations

from typing import Protocol

from mmdet_vis.registry import TASK_UTILS


class MemoryPolicy(Protocol):
    """Decides, for one memory and one direction of time, where the entry of a frame is written.

    Slot 0 is the key frame's entry (distance 0), which every policy keeps.
    """

    capacity: int
    """Slots that the memory must have."""

    def slot(self, distance: int) -> int | None:
        """Slot for the frame this many frames from the key frame, or None if it is not remembered.

        Called once for each distance 1, 2, 3 … in order. A slot given before is overwritten.
        """
        ...


class EveryNth:
    """Every n-th frame is remembered; the memory grows with the video (the reference's ``mem_step``).

    Args:
        num_frames: frames between the key frame and the end of the video in this direction.
        step: n.
    """

    def __init__(self, num_frames: int, step: int = 1) -> None:
        self.step = step
        self.capacity = 1 + num_frames // step

    def slot(self, distance: int) -> int | None:
        """See :class:`MemoryPolicy`."""
        return distance // self.step if distance % self.step == 0 else None


class KeyFrameOnly:
    """No frame but the key frame is remembered, as in matching against the first mask alone."""

    capacity = 1

    def slot(self, distance: int) -> int | None:
        """See :class:`MemoryPolicy`."""
        return None


class EvenlySpread:
    """At most ``size`` frames, about evenly spread over the past, the key frame among them.

    Starts with every ``step``-th frame; whenever the memory is full, the step doubles and every other remembered frame
    gives its slot to a coming one (until then it stays readable).

    Args:
        num_frames: frames between the key frame and the end of the video in this direction.
        size: most entries, at least 2.
        step: smallest distance between remembered frames.
    """

    def __init__(self, num_frames: int, size: int, step: int = 1) -> None:
        self.capacity = min(size, 1 + num_frames // step)
        self.step = step
        self.slots: dict[int, int] = {0: 0}

    def slot(self, distance: int) -> int | None:
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


class FirstLastSpaced:
    """The key frame, the frame just passed, and the newest of every ``step``-th: for streams without an end.

    Args:
        size: entries, at least 3; all but two hold spaced frames.
        step: distance between spaced frames.
    """

    def __init__(self, size: int, step: int) -> None:
        self.capacity = size
        self.step = step
        self._next = 2

    def slot(self, distance: int) -> int | None:
        """See :class:`MemoryPolicy`. Slot 1 is the frame just passed; the spaced ones take turns in the others."""
        if distance % self.step:
            return 1
        slot = self._next
        self._next = 2 + (slot - 1) % (self.capacity - 2)
        return slot


@TASK_UTILS.register_module()
class MemoryEveryNth:
    """Config of :class:`EveryNth`: ``step=1`` remembers every frame (all YouTube-VIS rows)."""

    def __init__(self, step: int = 1) -> None:
        if step < 1:
            raise ValueError(f"the memory step must be at least 1, got {step}")
        self.step = step

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory of ``num_frames`` frames in a video of ``video_length``."""
        return EveryNth(num_frames, self.step)


@TASK_UTILS.register_module()
class MemoryKeyFrame:
    """Config of :class:`KeyFrameOnly`: no long-term memory, for ablations."""

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory of ``num_frames`` frames in a video of ``video_length``."""
        return KeyFrameOnly()


@TASK_UTILS.register_module()
class MemoryFraction:
    """The reference's ``mem_num``: every ``max(T // num, 1)``-th frame, so about ``num`` over the whole video.

    A video of fewer than ``2 * num`` frames remembers every frame, as in the reference: up to ``2 * num - 1``.
    """

    def __init__(self, num: int = 10) -> None:
        if num < 1:
            raise ValueError(f"mem_num must be at least 1, got {num}")
        self.num = num

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory of ``num_frames`` frames in a video of ``video_length``."""
        return EveryNth(num_frames, max(video_length // self.num, 1))


@TASK_UTILS.register_module()
class MemoryAtMost:
    """Config of :class:`EvenlySpread`: bounded memory for long videos."""

    def __init__(self, size: int = 16, step: int = 1) -> None:
        if size < 2 or step < 1:
            raise ValueError(f"the memory needs size >= 2 and step >= 1, got {size} and {step}")
        self.size = size
        self.step = step

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory of ``num_frames`` frames in a video of ``video_length``."""
        return EvenlySpread(num_frames, self.size, self.step)


@TASK_UTILS.register_module()
class MemoryFirstLastSpaced:
    """Config of :class:`FirstLastSpaced`: bounded memory that follows a stream."""

    def __init__(self, size: int = 8, step: int = 5) -> None:
        if size < 3 or step < 2:
            raise ValueError(f"the memory needs size >= 3 and step >= 2, got {size} and {step}")
        self.size = size
        self.step = step

    def start(self, num_frames: int, video_length: int) -> MemoryPolicy:
        """A policy for one memory of ``num_frames`` frames in a video of ``video_length``."""
        return FirstLastSpaced(self.size, self.step)
