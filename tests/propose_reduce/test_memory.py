"""What memories remember."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet_vis.propose_reduce import (
    MemoryAtMost,
    MemoryEveryNth,
    MemoryFirstLastDistinct,
    MemoryFirstLastSpaced,
    MemoryFraction,
)
from mmdet_vis.propose_reduce.memory import MemoryBank


def remembered(config, frames, video=None):
    """Distances in memory after a sweep of so many frames, checking that slots stay within the capacity."""
    policy = config.start(frames, video or frames)
    slots = {0: 0}
    for distance in range(1, frames + 1):
        slot = policy.slot(distance)
        if slot is not None:
            assert 0 < slot < policy.capacity
            slots[slot] = distance
    return sorted(slots.values())


def test_every_nth():
    assert remembered(MemoryEveryNth(1), 4) == [0, 1, 2, 3, 4]
    assert remembered(MemoryEveryNth(3), 10) == [0, 3, 6, 9]
    assert remembered(MemoryEveryNth(5), 3) == [0]


def test_fraction_is_the_references_mem_num():
    assert remembered(MemoryFraction(10), 19, video=20) == list(range(0, 20, 2))
    assert remembered(MemoryFraction(10), 5, video=6) == list(range(6))


@pytest.mark.parametrize("frames", [3, 7, 8, 50, 1000])
@pytest.mark.parametrize("size", [2, 5, 8])
def test_at_most_is_bounded_and_spread(frames, size):
    kept = remembered(MemoryAtMost(size), frames)
    assert kept[0] == 0
    assert len(kept) <= size
    policy = MemoryAtMost(size).start(frames, frames)
    for distance in range(1, frames + 1):
        policy.slot(distance)
    held = sorted(policy.slots)
    assert held == list(range(0, held[-1] + 1, policy.step))  # evenly spread
    assert frames - held[-1] < policy.step or len(held) == size
    if frames >= size - 1:
        assert len(kept) >= (size + 1) // 2


def test_first_last_spaced():
    kept = remembered(MemoryFirstLastSpaced(size=5, step=4), 23)
    assert kept == [0, 12, 16, 20, 23]
    assert remembered(MemoryFirstLastSpaced(size=5, step=4), 2) == [0, 2]


def test_first_last_distinct_keeps_what_looks_different():
    looks = {2: 0.0, 4: 0.1, 6: 1.5, 8: 0.05, 10: 2.9}  # angles

    def look(distance):
        return lambda: torch.tensor([np.cos(looks[distance]), np.sin(looks[distance])])

    policy = MemoryFirstLastDistinct(4, 2).start(20, 20)
    slots = {d: policy.slot(d, look(d) if d in looks else None) for d in range(1, 11)}
    assert {slots[d] for d in (1, 3, 5, 7, 9)} == {1}  # just passed
    assert [slots[2], slots[4]] == [2, 3]
    assert slots[6] in (2, 3)  # 0.0 or 0.1 goes: they look alike
    assert slots[8] in (1, slots[2] + slots[4] - slots[6])  # like the one that stayed: one of these two is kept
    assert slots[10] != 1
    assert policy.capacity == 4


def test_first_last_distinct_without_looks_takes_turns():
    policy = MemoryFirstLastDistinct(4, 2).start(20, 20)
    assert [policy.slot(d) for d in range(1, 11)] == [1, 2, 1, 3, 1, 2, 1, 3, 1, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        (MemoryEveryNth, 0),
        (MemoryFraction, 0),
        (MemoryAtMost, 1),
        (MemoryFirstLastSpaced, 2),
        (MemoryFirstLastDistinct, 2),
    ],
)
def test_wrong_sizes(wrong):
    with pytest.raises(ValueError, match=r"at least|needs"):
        wrong[0](wrong[1])


def test_bank_writes_in_place_and_overwrites():
    policy = MemoryAtMost(3).start(10, 10)
    entry = torch.zeros(2, 4, 5), torch.zeros(2, 4, 6)
    bank = MemoryBank(*entry, policy)
    block = bank._keys.data_ptr()
    assert bank.keys.shape == (2, 4, 5)
    bank.write(2, entry[0] + 2, entry[1] + 2)
    bank.write(1, entry[0] + 1, entry[1] + 1)
    bank.write(2, entry[0] + 3, entry[1] + 3)
    assert bank.keys.shape == (2, 12, 5)
    assert bank.values[0, :, 0].tolist() == [0] * 4 + [1] * 4 + [3] * 4
    assert bank._keys.data_ptr() == block
