"""What a group of objects remembers: keys and values of past frames, in one preallocated block."""

from __future__ import annotations

from torch import Tensor

from mmdet_vis.propose_reduce.memory_policy import MemoryPolicy


class MemoryBank:
    """Memory of K objects that move through time together.

    Entries are written in place, never concatenated; the filled part is a view.

    Args:
        keys: ``[K, P, D]`` of the key frame, P positions.
        values: ``[K, P, V]`` of the key frame.
        policy: which later frames are kept, and where.
    """

    def __init__(self, keys: Tensor, values: Tensor, policy: MemoryPolicy) -> None:
        self.policy = policy
        self.filled = 1
        objects, self.positions, width = keys.shape
        size = policy.capacity * self.positions
        # Untouched pages of a large block cost nothing on the CPU until they are written.
        self._keys = keys.new_empty((objects, size, width))
        self._values = values.new_empty((objects, size, values.shape[2]))
        self._write(0, keys, values)

    def _write(self, slot: int, keys: Tensor, values: Tensor) -> None:
        span = slice(slot * self.positions, (slot + 1) * self.positions)
        self._keys[:, span] = keys
        self._values[:, span] = values

    def write(self, slot: int, keys: Tensor, values: Tensor) -> None:
        """Store one frame's entry ``[K, P, D]``, ``[K, P, V]`` in a slot that the policy gave."""
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
