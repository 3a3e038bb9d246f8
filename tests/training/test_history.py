"""The recent values of the log, which a resumed run continues."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.runner import LogProcessor

from mmdet_vis.training.state import recent_history, restore_history


def hub_of(name: str, number: int) -> MessageHub:
    hub = MessageHub(name)
    for i in range(number):
        hub.update_scalar("train/loss", 0.1 * i)
        hub.update_scalar("train/time", 1.0)
    return hub


def test_means_over_the_window_go_on(tmp_path: Path) -> None:
    hub, processor = hub_of("a", 9), LogProcessor(window_size=5, by_epoch=False)
    torch.save(recent_history(hub, processor), tmp_path / "history.pth")
    history = torch.load(tmp_path / "history.pth", weights_only=True)
    assert list(history) == ["train/loss"]  # times are of the machine
    assert history["train/loss"].shape == (2, 5)
    other = MessageHub("b")
    restore_history(other, history)
    for each in (hub, other):
        each.update_scalar("train/loss", 7.0)
    assert other.get_scalar("train/loss").mean(5) == hub.get_scalar("train/loss").mean(5)
    assert other.get_scalar("train/loss").current() == 7.0


@pytest.mark.parametrize(("window", "kept"), [(3, 5), (8, 8), ("global", 9)])
def test_the_longest_window_counts(window: int | str, kept: int) -> None:
    entry = {"data_src": "loss", "log_name": "long", "method_name": "mean", "window_size": window}
    processor = LogProcessor(window_size=5, by_epoch=False, custom_cfg=[entry])
    assert recent_history(hub_of("c", 9), processor)["train/loss"].shape == (2, kept)
