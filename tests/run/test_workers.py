"""How videos and devices are divided over processes."""

from __future__ import annotations

import pytest

from mmdet_vis.errors import ConfigError
from mmdet_vis.run.workers import Workers, balance


def test_shares_are_balanced_and_always_the_same() -> None:
    frames = [36, 180, 20, 20, 5, 90, 36, 36, 1, 400]
    shares = balance(frames, 3)
    assert sorted(index for share in shares for index in share) == list(range(10))
    loads = [sum(frames[index] for index in share) for share in shares]
    assert max(loads) == 400, "the longest video alone"
    assert abs(loads[1] - loads[2]) <= 36
    assert all(share == sorted(share) for share in shares)
    assert balance(frames, 3) == shares
    assert balance([], 2) == [[], []]
    assert balance([3, 3], 1) == [[0, 1]]


def test_devices_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", lambda index: None)
    assert Workers(0, 1, 0).device("auto") == "auto"
    second = Workers(3, 4, 1)
    assert second.device("auto") == second.device("cuda") == "cuda:1"
    assert second.device("cpu") == "cpu"
    assert second.device("cuda:0") == "cuda:0"
    with pytest.raises(ConfigError, match="there are 2"):
        Workers(2, 4, 2).device("auto")
