"""The training loop: iterations over an endless loader, exact to continue."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import all_reduce, get_rank, is_distributed
from mmengine.runner import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from mmdet_vis.errors import ConfigError, UserError
from mmdet_vis.registry import LOOPS
from mmdet_vis.signals import BEFORE_THE_END, StopSignals
from mmdet_vis.training.step import own_model

STOPPING = "stopping after the step under way; Ctrl-C again stops at once"


class Interrupted(KeyboardInterrupt):
    """Training was told to stop, and has saved its state."""


@LOOPS.register_module()
class ClipTrainLoop(BaseLoop):
    """Train for a number of iterations or epochs.

    What chance does in an iteration depends on the seed and the iteration's number only, so training that is killed
    and resumed follows the uninterrupted one.

    Args:
        runner, dataloader: filled in by the Runner.
        max_iters, max_epochs: how long; one of the two.
        val_interval: iterations between validations.
        val_begin: the first iteration after which it validates.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: DataLoader[Any],
        max_iters: int | None = None,
        max_epochs: int | None = None,
        val_interval: int = 1000,
        val_begin: int = 1,
    ) -> None:
        super().__init__(runner, dataloader)
        if (max_iters is None) == (max_epochs is None):
            raise ConfigError("train_cfg: say how long to train by either max_iters or max_epochs")
        self.max_iters = max_iters if max_iters is not None else (max_epochs or 0) * len(dataloader)
        self.max_epochs = max_epochs or -(-self.max_iters // len(dataloader))
        if runner.val_loop is not None and val_begin > self.max_iters:
            raise ConfigError(
                f"train_cfg.val_begin={val_begin} is beyond the end of training after {self.max_iters} iterations: "
                "lower it, or set val_cfg=None for no validation"
            )
        self.val_interval = val_interval
        self.val_begin = val_begin
        self.stop_training = False
        # A second SIGTERM is not the user's: torchrun passes on what a scheduler may send to all processes.
        self.told_to_stop = StopSignals(STOPPING, insist=(signal.SIGINT,), more=BEFORE_THE_END)
        self._iter = 0
        self._epoch = 0  # set by the Runner when it resumes; the iteration says it all

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._iter // len(self.dataloader)

    def run(self) -> nn.Module:
        """Train to the end.

        Raises:
            Interrupted: a signal asked to stop; the state is saved.
        """
        runner = self.runner
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        self.dataloader.batch_sampler.start = self._iter
        runner.model.train()
        batches = iter(self.dataloader)
        try:
            with self.told_to_stop:
                self._validate_if_due()  # a run that was killed before or in its last validation
                while self._iter < self.max_iters and not self.stop_training:
                    self.run_iter(_next(batches))
                    self._validate_if_due()
                    if self.interrupted():
                        runner.save_state()
                        raise Interrupted
        finally:
            # Ends the workers, which are deaf to signals.
            del batches
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        return runner.model

    def run_iter(self, clips: Any) -> None:
        """One step on one batch."""
        runner = self.runner
        runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=clips)
        # Stochastic depth and the like draw from the global generator.
        torch.manual_seed((runner.seed * 1_000_003 + self._iter) * 1009 + get_rank())
        outputs = own_model(runner.model).train_step(clips, runner.optim_wrapper, runner.model)
        runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=clips, outputs=outputs)
        self._iter += 1

    def interrupted(self) -> bool:
        """Whether any process was told to stop; all processes must ask at the same time."""
        told = self.told_to_stop()
        if not is_distributed():
            return told
        flag = torch.tensor([float(told)], device=next(self.runner.model.parameters()).device)
        all_reduce(flag, "max")
        return bool(flag.item())

    def _validate_if_due(self) -> None:
        runner, info = self.runner, self.runner.message_hub.runtime_info
        due = self._iter % self.val_interval == 0 or self._iter >= self.max_iters
        if runner.val_loop is None or not due or self._iter < max(self.val_begin, 1):
            return
        if info.get("validated_iter") == self._iter:
            return
        if runner.val_loop.run() is not None:
            runner.message_hub.update_info("validated_iter", self._iter)
        runner.model.train()


def _next(batches: Iterator[Any]) -> Any:
    """The next batch; what a loading process reports of bad data becomes the one line that it said."""
    try:
        return next(batches)
    except UserError as error:
        lines = str(error).strip().splitlines()
        raise type(error)(lines[-1].split("Error: ", 1)[-1]) from None
