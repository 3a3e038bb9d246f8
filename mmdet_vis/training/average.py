"""Exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import HOOKS
from mmdet_vis.training.step import network_of


@HOOKS.register_module()
class MovingAverageHook(Hook):
    """Keep an average of the weights; validation and published checkpoints use it.

    Args:
        decay: share of the old average that stays at each step, below 1.
    """

    priority = "NORMAL"

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ConfigError(f"custom_hooks: MovingAverageHook.decay={decay!r} must be between 0 and 1")
        self.decay = decay
        self.average: AveragedModel | None = None

    def before_run(self, runner: Any) -> None:
        """Start from the weights as they are."""
        self.average = AveragedModel(
            network_of(runner.model), multi_avg_fn=get_ema_multi_avg_fn(self.decay), use_buffers=True
        )
        runner.averaged = self.average.module

    def before_train(self, runner: Any) -> None:
        """Weights that were loaded after :meth:`before_run` are the start, unless an average was loaded as well."""
        if self.average is not None and not int(self.average.n_averaged):
            self.average.module.load_state_dict(network_of(runner.model).state_dict())

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Move the average a little towards the weights."""
        if self.average is not None:
            self.average.update_parameters(network_of(runner.model))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """The average is what others load; the weights themselves go with the state of training."""
        if self.average is None:
            return
        checkpoint["state_dict"], raw = cpu_state(self.average.module), checkpoint["state_dict"]
        if "optimizer" in checkpoint:
            checkpoint["raw_state_dict"] = raw
            checkpoint["num_averaged"] = int(self.average.n_averaged)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Continue a saved average."""
        if self.average is not None and "num_averaged" in checkpoint:
            self.average.module.load_state_dict(checkpoint["state_dict"])
            self.average.n_averaged.fill_(checkpoint["num_averaged"])


def cpu_state(network: nn.Module) -> dict[str, Any]:
    """Weights and buffers of a network, on the CPU."""
    return {key: value.detach().cpu() for key, value in network.state_dict().items()}
