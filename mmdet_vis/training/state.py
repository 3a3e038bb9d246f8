"""What a resumed training run must have in common with the interrupted one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor
from torch import Tensor

from mmdet_vis.errors import CheckpointError, ConfigError, option
from mmdet_vis.files.atomic import remove_unfinished
from mmdet_vis.run.options import as_read, differences
from mmdet_vis.run.workers import Workers
from mmdet_vis.weights.torch_files import read_torch

NOT_TRAINING = {"model": ("test_cfg",), "train.dataset": ("data_root",)}
"""Keys that may change: the inference of a validation, and where the data lie."""

OPTIM_DEFAULTS = {"precision": "float32", "clip_grad": None}


def training_identity(config: Config) -> dict[str, Any]:
    """What a config says of training, as a JSON object: the network, its losses, data, accumulation and hooks."""
    settings = config.to_dict()
    train = settings["train"]
    identity = {
        "accumulate": train.get("accumulate", 1),
        "model": _without(settings["model"], NOT_TRAINING["model"]),
        "train.dataset": _without(train["dataset"], NOT_TRAINING["train.dataset"]),
        "data_preprocessor": settings.get("data_preprocessor"),
        "custom_hooks": settings.get("custom_hooks") or [],
    }
    return as_read(identity, skipkeys=True)


def differing_settings(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The settings in which two runs differ, as text for an error message; empty if in none.

    A checkpoint of an older version lacks some, which are then not compared.
    """
    return differences(_comparable(saved, now), _comparable(now, saved))


def _comparable(identity: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    common = {key: value for key, value in identity.items() if key in other}
    if isinstance(common.get("optim_wrapper"), Mapping):
        common["optim_wrapper"] = {**OPTIM_DEFAULTS, **common["optim_wrapper"]}
    return common


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    """A copy in which no dict, however deep, has one of the keys."""
    if isinstance(value, dict):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    if isinstance(value, list | tuple):
        return [_without(item, keys) for item in value]
    return value


PREFIX = "train/"
TIMES = ("train/time", "train/data_time")
"""Not continued: they tell of the machine that a run is on."""


def recent_history(hub: MessageHub, processor: LogProcessor) -> dict[str, Tensor]:
    """By name the values that the log processor may still look back on, oldest first, and the numbers that they count
    for: ``[2, n]`` float64."""
    window = _longest_window(processor)
    return {
        name: torch.from_numpy(np.stack([part[-window:].astype(np.float64) for part in buffer.data]))
        for name, buffer in hub.log_scalars.items()
        if name.startswith(PREFIX) and name not in TIMES
    }


def restore_history(hub: MessageHub, history: Mapping[str, Tensor]) -> None:
    """Continue from :func:`recent_history`."""
    for name, (values, counts) in history.items():
        hub.log_scalars[name] = HistoryBuffer(values.tolist(), counts.tolist())


def _longest_window(processor: LogProcessor) -> int:
    """Values to look back on; 0 for all."""
    windows = [processor.window_size, *(entry.get("window_size") for entry in processor.custom_cfg)]
    return 0 if any(not isinstance(window, int) for window in windows) else max(windows)


@contextmanager
def locked_work_dir(folder: Path, workers: Workers) -> Iterator[None]:
    """Make the folder, prove that it can be written to, and keep other runs out of it.

    Raises:
        OutputError: it cannot, or another run writes there.
    """
    with workers.lock(folder):
        workers.on_first(lambda: remove_unfinished([folder]))
        yield


def choose_state(folder: Path, resume: bool | Literal["auto"]) -> Path | None:
    """The checkpoint to continue from, if any; ``"auto"``: continue if there is one, else start.

    Raises:
        ConfigError: there is none to resume from, or there is one and ``resume`` was not asked for.
    """
    state = latest_state(folder)
    if resume is True and state is None:
        resuming = option("resume", True)
        raise ConfigError(f"{resuming}: {folder} has no iter_*.pth to continue from: leave it out to start")
    if state is not None and not resume:
        raise ConfigError(
            f"{folder} already holds training up to {state.name}: add {option('resume', True)} to continue, or choose "
            f"another {option('work_dir')}"
        )
    return state


STATE_NAME = re.compile(r"iter_(\d+)\.pth")


def latest_state(folder: str | Path, before: int | None = None) -> Path | None:
    """The checkpoint of a folder that was saved after the most iterations, or of those after fewer than ``before``."""
    found = [(int(match[1]), name) for name in os.listdir(folder) if (match := STATE_NAME.fullmatch(name))]
    found = [state for state in found if before is None or state[0] < before]
    return Path(folder, max(found)[1]) if found else None


def _read_state(path: Path) -> object:
    """Read a checkpoint of training.

    Raises:
        CheckpointError: it cannot be read; the message says what to go on from.
    """
    try:
        return read_torch(path)
    except CheckpointError as error:
        match = STATE_NAME.fullmatch(path.name)
        if match is None:
            raise
        earlier = latest_state(path.parent, int(match[1]))
        resuming = option("resume", True)
        way = f"{resuming} goes on from {earlier.name}" if earlier else f"start without {resuming}"
        raise CheckpointError(f"{path} is damaged: remove it, and {way}") from error
