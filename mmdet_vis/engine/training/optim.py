"""The optimiser: mixed precision, clipping, and steps that are left out where the gradient is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import OPTIM_WRAPPERS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MAX_SKIPPED = 20
"""So many steps in a row without a finite gradient mean that training has diverged. Float16 leaves out a few while it
looks for its scale."""


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An optimiser with automatic mixed precision on every device.

    Args:
        optimizer: built by mmengine from the config.
        precision: ``float32``, ``bfloat16`` (fast on GPUs and on CPUs with AMX) or ``float16`` (GPUs; the loss is
            scaled so that small gradients do not vanish).
        clip_grad: ``dict(max_norm=..., norm_type=2)``; None does not clip.
    """

    def __init__(
        self, optimizer: Optimizer, precision: str = "float32", clip_grad: dict[str, Any] | None = None
    ) -> None:
        if precision not in DTYPES:
            raise ConfigError(f"optim_wrapper.precision={precision!r} must be one of {', '.join(DTYPES)}")
        super().__init__(optimizer, clip_grad=clip_grad)
        self.dtype = DTYPES[precision]
        self.device = optimizer.param_groups[0]["params"][0].device.type
        if self.dtype == torch.float16 and self.device == "cpu":
            raise ConfigError("optim_wrapper.precision='float16' needs a GPU: use 'bfloat16' or 'float32' on the CPU")
        self.scaler = torch.amp.GradScaler(self.device, enabled=self.dtype == torch.float16)
        self.skipped = 0

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in the chosen precision."""
        with torch.autocast(self.device, self.dtype, enabled=self.dtype != torch.float32):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Add the gradients of a (part of a) batch."""
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients and change the weights; gradients that are not finite change nothing.

        Raises:
            ConfigError: that has happened :data:`MAX_SKIPPED` times in a row.
        """
        self.scaler.unscale_(self.optimizer)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, **(self.clip_grad_kwargs or {"max_norm": math.inf}))
        self.message_hub.update_scalar("train/grad_norm", float(norm))
        finite = bool(norm.isfinite())
        if finite or self.scaler.is_enabled():
            self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()
        self.skipped = 0 if finite else self.skipped + 1
        if self.skipped >= MAX_SKIPPED:
            raise ConfigError(
                f"training diverged: {MAX_SKIPPED} steps in a row without a finite gradient; lower "
                "optim_wrapper.optimizer.lr, clip gradients, or use precision='float32', and start from an earlier "
                "checkpoint with --load-from"
            )

    def state_dict(self) -> dict[str, Any]:
        """State of the optimiser and of the loss scale."""
        return {**super().state_dict(), "scaler": self.scaler.state_dict(), "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        state = dict(state_dict)
        self.scaler.load_state_dict(state.pop("scaler"))
        self.skipped = state.pop("skipped")
        super().load_state_dict(state)
