"""How large an object is drawn, learnt from a walk away from a given mask and back."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_vis.propose_reduce.propose import Group
from mmdet_vis.propose_reduce.there_and_back import AWAY, MOST, drawn_too_small
from mmdet_vis.structures import encode_masks

FRAMES = 12
SQUARE = np.zeros((1, 32, 48), np.uint8)
SQUARE[:, 10:22, 14:30] = 1


class Carrier:
    """Draws what it remembers, blurred, and larger or smaller by a margin in logits."""

    def __init__(self, margin: float, lost: bool = False) -> None:
        self.margin, self.lost, self.visited = margin, lost, []

    def enter(self, masks: Tensor, features: object, time: int, rivals: Tensor | None = None) -> SimpleNamespace:
        return SimpleNamespace(masks=masks)

    def memory(self, entry: SimpleNamespace, policy: object, others: object, target: object) -> SimpleNamespace:
        assert others == ()
        return entry

    def segment(self, memories: list[SimpleNamespace], features: object, time: int, arenas: object) -> Tensor:
        self.visited.append(time)
        blurred = F.avg_pool2d(memories[0].masks[None], 5, 1, 2)[0].clamp(0.01, 0.99)
        return (blurred.logit() + self.margin).sigmoid() * (not self.lost)

    def full_size(self, soft: Tensor) -> Tensor:
        return soft


STORE = SimpleNamespace(source=range(FRAMES), get=lambda time, direction: SimpleNamespace(device=torch.device("cpu")))


def shift(margin: float, **kwargs: object) -> float:
    return drawn_too_small(Carrier(margin), STORE, Group(5, encode_masks(SQUARE), [0], **kwargs))


@pytest.mark.parametrize("margin", [-1.0, -0.4, 0.4, 1.0])
def test_a_head_that_draws_too_much_or_too_little_is_corrected(margin):
    found = shift(margin)
    assert found * margin < 0
    assert abs(margin) / 2 < abs(found) <= MOST
    assert abs(shift(0.0)) < 0.1


def test_no_shift_is_beyond_the_most():
    assert shift(3.5) == pytest.approx(-MOST, abs=1e-3)


def test_the_walk_goes_both_ways_and_stays_in_the_video_the_span_and_what_can_be_seen():
    carrier = Carrier(0.0)
    drawn_too_small(carrier, STORE, Group(2, encode_masks(SQUARE), [0]))
    assert carrier.visited == [3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 1, 2]
    assert max(carrier.visited) == 2 + AWAY
    carrier.visited.clear()
    drawn_too_small(carrier, STORE, Group(2, encode_masks(SQUARE), [0], span=range(1, 6), hidden=[4]))
    assert carrier.visited == [3, 2, 1, 2]


def test_where_there_is_nothing_to_learn_nothing_is_shifted():
    assert shift(1.0, span=range(5, 6)) == 0
    assert drawn_too_small(Carrier(1.0, lost=True), STORE, Group(5, encode_masks(SQUARE), [0])) == 0
