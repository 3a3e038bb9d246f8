"""The optimiser's wrapper: clipping, gradients that are not finite, accumulation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mmdet_vis.errors import ConfigError
from mmdet_vis.losses.step import MAX_SKIPPED, MixedPrecisionOptimWrapper
from mmdet_vis.training.step import update


class Line(nn.Module):
    """A weight that is multiplied with each number of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0]))

    def forward(self, batch: list[float]) -> dict[str, torch.Tensor]:
        loss = (self.weight * torch.tensor(batch)).mean()
        return {"loss_a": loss, "loss_b": 2 * loss, "acc": loss * 0 + 50}


def wrapper(model: nn.Module, **kwargs: object) -> MixedPrecisionOptimWrapper:
    return MixedPrecisionOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), **kwargs)


def test_step_follows_the_sum_of_the_losses_only() -> None:
    model = Line()
    losses = update(model, [1.0, 3.0], wrapper(model), 1)
    assert model.weight.item() == pytest.approx(2.0 - 0.1 * 3 * 2.0)  # d(3 w mean) / dw = 6
    assert losses["loss"].item() == pytest.approx(12.0)
    assert losses["acc"].item() == 50


def test_accumulated_parts_give_the_gradient_of_the_batch() -> None:
    whole, parts = Line(), Line()
    a = update(whole, [1.0, 2.0, 3.0, 6.0], wrapper(whole), 1)
    b = update(parts, [1.0, 2.0, 3.0, 6.0], wrapper(parts), 4)
    assert parts.weight.item() == pytest.approx(whole.weight.item())
    assert b["loss"].item() == pytest.approx(a["loss"].item())


class Normalised(Line):
    """Divides a part's loss by numbers of the part, as losses of regions are."""

    def forward(self, batch: list[float]) -> dict[str, torch.Tensor]:
        numbers = torch.tensor(batch)
        return {"loss": (self.weight * numbers**2).sum() / numbers.sum()}


def test_place_in_the_whole_batch_decides_on_the_part() -> None:
    """Two processes that hold (1, 2) and (3, 6) work through (1, 3) and then (2, 6), and so must one that holds all."""
    model = Normalised()
    update(model, [1.0, 2.0, 3.0, 6.0], wrapper(model), 2)
    assert model.weight.item() == pytest.approx(2.0 - 0.1 * (10 / 4 + 40 / 8) / 2)


def test_gradients_are_clipped_to_the_norm() -> None:
    model = Line()
    update(model, [100.0], wrapper(model, clip_grad={"max_norm": 0.5}), 1)
    assert model.weight.item() == pytest.approx(2.0 - 0.1 * 0.5, abs=1e-6)


def test_gradient_that_is_not_finite_changes_nothing() -> None:
    model = Line()
    optimiser = wrapper(model, clip_grad={"max_norm": 1.0})
    update(model, [float("nan")], optimiser, 1)
    assert model.weight.item() == 2.0
    assert optimiser.skipped == 1
    update(model, [1.0], optimiser, 1)
    assert model.weight.item() < 2.0
    assert optimiser.skipped == 0


def test_divergence_is_an_error() -> None:
    model = Line()
    optimiser = wrapper(model)
    for _ in range(MAX_SKIPPED - 1):
        update(model, [float("inf")], optimiser, 1)
    with pytest.raises(ConfigError, match="training diverged"):
        update(model, [float("inf")], optimiser, 1)


def test_state_continues() -> None:
    model = Line()
    optimiser = MixedPrecisionOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    update(model, [1.0], optimiser, 1)
    other = Line()
    other.load_state_dict(model.state_dict())
    copied = MixedPrecisionOptimWrapper(torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9))
    copied.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    update(model, [1.0], optimiser, 1)
    update(other, [1.0], copied, 1)
    assert other.weight.item() == model.weight.item()


@pytest.mark.parametrize(("precision", "words"), [("half", "must be one of"), ("float16", "needs a GPU")])
def test_precision_that_cannot_be(precision: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        wrapper(Line(), precision=precision)


def test_bfloat16_runs_the_forward_pass_in_it() -> None:
    model = nn.Linear(4, 4)
    with wrapper(model, precision="bfloat16").optim_context(model):
        assert model(torch.ones(1, 4)).dtype == torch.bfloat16
    with wrapper(model).optim_context(model):
        assert model(torch.ones(1, 4)).dtype == torch.float32
