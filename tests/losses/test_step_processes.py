"""Several processes learn what one would from the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmdet_vis.structures.clip import TrainingClip
from tests.step_cases import MOVING, Box, gradients, make_clip, make_step, total

MANY: list[Box | None] = [(14 * i, 8, 14 * i + 20, 50) for i in range(5)]


def halves() -> list[list[TrainingClip]]:
    """Unequal numbers of anchors, regions and objects: two objects and five, none at all and two without background."""
    full = [make_clip(MOVING, seed=1), make_clip([MANY, MANY], labels=[1, 2, 3, 1, 2], seed=2)]
    return [full, [make_clip([[], []], seed=3), make_clip(MOVING, seed=4, exhaustive=False)]]


class Processes:
    """Stands in for ``torch.distributed``: as many processes as there are numbers of others, one of which is this."""

    def __init__(self, others: list[Tensor]) -> None:
        self.others = others
        self.own: Tensor | None = None

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return 1 + len(self.others)

    def all_reduce(self, numbers: Tensor) -> None:
        assert self.own is None, "one message per step"
        self.own = numbers.clone()
        for other in self.others:
            numbers += other


def test_mean_gradient_is_that_of_the_whole_batch(tiny: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is the mean of the losses; a process alone with its half has another gradient."""
    step = make_step(tiny)
    first, second = halves()
    whole_loss = total(step(first + second)).item()
    whole, alone = gradients(step, first + second), gradients(step, first)

    def process(others: list[Tensor]) -> Processes:
        world = Processes(others)
        monkeypatch.setattr("mmdet_vis.losses.step.dist", world)
        return world

    numbers = []
    for clips in (first, second):
        world = process([])
        step(clips)
        assert world.own is not None
        numbers.append(world.own)
    assert (numbers[0] != numbers[1]).all()
    shares, losses = [], []
    for clips, other in ((first, numbers[1]), (second, numbers[0])):
        process([other])
        losses.append(total(step(clips)).item())
        process([other])
        shares.append(gradients(step, clips))
    assert sum(losses) / 2 == pytest.approx(whole_loss, rel=1e-5)
    for name, expected in whole.items():
        mean = (shares[0][name] + shares[1][name]) / 2
        assert (mean - expected).norm() <= 1e-4 * expected.norm() + 1e-6, name
    assert any((alone[name] - g).norm() > 0.1 * g.norm() for name, g in whole.items() if torch.any(g))
