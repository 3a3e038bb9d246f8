"""The recent values of what is logged, so that means over a window go on where a checkpoint was saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor
from torch import Tensor

PREFIX = "train/"
TIMES = ("train/time", "train/data_time")
"""Not continued: they tell of the machine that a run is on."""


def recent_history(hub: MessageHub, processor: LogProcessor) -> dict[str, Tensor]:
    """The values by name that the log processor may still look back on.

    Returns:
        ``[2, n]`` float64 each: values and the numbers that they count for, oldest first.
    """
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
