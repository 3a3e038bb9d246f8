"""The moving average of the weights, and the files that training continues from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mmdet_vis.errors import CheckpointError, ConfigError
from mmdet_vis.training.average import MovingAverageHook
from mmdet_vis.training.runner import plain
from mmdet_vis.training.setup import initialise
from mmdet_vis.training.state import latest_state
from mmdet_vis.training.step import TrainingModel


def runner_of(network: nn.Module) -> SimpleNamespace:
    step = nn.Module()
    step.model = network
    return SimpleNamespace(model=TrainingModel(step))


def test_average_moves_by_its_decay() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    runner, hook = runner_of(network), MovingAverageHook(decay=0.9)
    hook.before_run(runner)
    nn.init.constant_(network.weight, 2.0)  # loaded weights
    hook.before_train(runner)
    assert runner.averaged.weight.item() == 2.0
    for value in (2.0, 3.0):
        nn.init.constant_(network.weight, value)
        hook.after_train_iter(runner, 0)
    assert runner.averaged.weight.item() == pytest.approx(0.9 * 2.0 + 0.1 * 3.0)


def test_average_is_saved_and_continued() -> None:
    network = nn.Linear(1, 1, bias=False)
    runner, hook = runner_of(network), MovingAverageHook(decay=0.5)
    hook.before_run(runner)
    for value in (1.0, 3.0):
        nn.init.constant_(network.weight, value)
        hook.after_train_iter(runner, 0)
    checkpoint = {"state_dict": {"weight": network.weight.detach().clone()}, "optimizer": {}}
    hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint["state_dict"]["weight"].item() == 2.0
    assert checkpoint["raw_state_dict"]["weight"].item() == 3.0
    other, again = runner_of(nn.Linear(1, 1, bias=False)), MovingAverageHook(decay=0.5)
    again.before_run(other)
    again.after_load_checkpoint(other, checkpoint)
    again.before_train(other)
    assert other.averaged.weight.item() == 2.0
    assert int(again.average.n_averaged) == 2


@pytest.mark.parametrize("decay", [0, 1, 1.5])
def test_decay_out_of_range(decay: float) -> None:
    with pytest.raises(ConfigError, match="decay"):
        MovingAverageHook(decay=decay)


def test_newest_state_by_number(tmp_path: Path) -> None:
    for name in ("iter_9.pth", "iter_10.pth", "best_AP_iter_99.pth", "iter_11.pth.tmp", ".tmp-iter_12.pth"):
        (tmp_path / name).touch()
    assert latest_state(tmp_path) == tmp_path / "iter_10.pth"


def test_plain_data_is_read_by_weights_only(tmp_path: Path) -> None:
    value = {"a": np.float64(1.5), "b": (1, "x", None), "c": torch.ones(2), "d": object(), 3: [True]}
    torch.save(plain(value), tmp_path / "x.pth")
    read = torch.load(tmp_path / "x.pth", weights_only=True)
    assert read["a"] == 1.5
    assert read["b"] == [1, "x", None]
    assert "d" not in read
    assert read[3] == [True]


def test_what_is_not_plain_is_never_lost_in_a_list() -> None:
    with pytest.raises(TypeError, match="is no plain data"):
        plain([object()])


def test_what_fits_is_taken(tmp_path: Path) -> None:
    source = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    torch.save(source.state_dict(), tmp_path / "w.pth")
    target = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 5))
    before = target[1].weight.clone()
    initialise(target, tmp_path / "w.pth")
    assert torch.equal(target[0].weight, source[0].weight)
    assert torch.equal(target[1].weight, before)


def test_nothing_fits(tmp_path: Path) -> None:
    torch.save({"other": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: none of its 1 tensors"):
        initialise(nn.Linear(1, 1), tmp_path / "w.pth")
