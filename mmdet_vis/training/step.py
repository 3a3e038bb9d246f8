"""What the Runner trains: a step on a list of clips, alone or with other processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.distributed as dist
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mmdet_vis.losses.step import TrainingStep
from mmdet_vis.structures.clip import TrainingClip


class TrainingModel(nn.Module):
    """A :class:`TrainingStep` that updates the weights.

    Args:
        accumulate: equal parts that a batch is worked through in, one after the other, so that a large batch fits a
            small device. A part's losses are divided by the numbers of that part, over all processes.
    """

    def __init__(self, step: TrainingStep, accumulate: int = 1) -> None:
        super().__init__()
        self.step = step
        self.accumulate = accumulate

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.step.model

    def forward(self, clips: Sequence[TrainingClip]) -> dict[str, Tensor]:
        """See :meth:`TrainingStep.forward`; the clips may be on any device."""
        device = self.step.mean.device
        return self.step([c.to(device) for c in clips])

    def train_step(
        self, clips: Sequence[TrainingClip], optim_wrapper: OptimWrapper, whole: nn.Module | None = None
    ) -> dict[str, Tensor]:
        """Change the weights once; returns the losses, their sum as ``loss``, and the accuracy.

        ``whole`` is this model as one of several processes has it, where there are some.
        """
        return update(whole or self, clips, optim_wrapper, self.accumulate)


def update(
    model: nn.Module, clips: Sequence[TrainingClip], optim_wrapper: OptimWrapper, accumulate: int
) -> dict[str, Tensor]:
    """One step of the optimiser on a batch that is cut into ``accumulate`` equal parts."""
    # A process holds a run of the whole batch's clips whose length is a multiple of accumulate. So a clip's place in
    # the whole batch decides on its part, however many processes there are.
    parts = [clips[part::accumulate] for part in range(accumulate)]
    optim_wrapper.zero_grad()
    total: dict[str, Tensor] = {}
    for index, part in enumerate(parts):
        with ExitStack() as stack:
            if isinstance(model, DistributedDataParallel) and index < len(parts) - 1:
                stack.enter_context(model.no_sync())  # gradients travel once per step
            with optim_wrapper.optim_context(model):
                losses = model(part)
            losses["loss"] = torch.stack([v for k, v in losses.items() if k.startswith("loss")]).sum()
            optim_wrapper.backward(losses["loss"] / len(parts))
        for name, value in losses.items():
            total[name] = total.get(name, 0) + value.detach() / len(parts)
    optim_wrapper.step()
    return _mean_over_processes(total)


def _mean_over_processes(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each process has its share of a loss: what is logged is the whole."""
    if not (dist.is_available() and dist.is_initialized()):
        return losses
    values = torch.stack(list(losses.values()))
    dist.all_reduce(values)
    return dict(zip(losses, (values / dist.get_world_size()).unbind(), strict=True))


def own_model(model: nn.Module) -> Any:
    """The :class:`TrainingModel`, distributed or not."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def network_of(model: nn.Module) -> Any:
    """The network inside a training model, distributed or not."""
    return own_model(model).network
