"""mmengine's Runner with checkpoints that hold plain data only and appear under their name when they are complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmdet_vis.errors import CheckpointError, OutputError, option
from mmdet_vis.files.atomic import temporary_path
from mmdet_vis.training.average import cpu_state
from mmdet_vis.training.state import _read_state, differing_settings, recent_history, restore_history, training_identity
from mmdet_vis.training.step import TrainingModel, network_of

PLAIN = dict | list | tuple | str | int | float | bool | None | np.generic | torch.Tensor


class TrainingRunner(Runner):
    """Trains a :class:`TrainingModel`.

    A checkpoint is a dict of plain data (``weights_only`` reads it): ``state_dict`` (the network's weights, or their
    moving average: what the other tools load), ``meta``, ``runtime`` and, in those that training can be resumed from,
    ``optimizer``, ``param_schedulers``, ``history`` of what is logged and, beside an average, ``raw_state_dict``.
    """

    averaged: nn.Module | None = None
    validation: BaseLoop | None = None

    @property
    def val_loop(self) -> BaseLoop | None:
        """The validation, if there is one."""
        return self.validation

    @property
    def network(self) -> nn.Module:
        """The network to use: the average of the weights if there is one."""
        return self.averaged if self.averaged is not None else network_of(self.model)

    def wrap_model(self, model_wrapper_cfg: Any, model: TrainingModel) -> nn.Module:
        """Put the model on its device, and connect it with those of the other processes."""
        if not self.distributed:
            return model
        device = next(model.parameters()).device
        # Clips without objects leave heads without gradients.
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """One line where mmengine prints pages: the config is written to a file of its own beside the log."""
        threads = torch.get_num_threads()
        self.logger.info(f"PyTorch {torch.__version__}, {threads} threads; log and config are in {self._log_dir}")

    def get_hooks_info(self) -> str:
        """The hooks in one line, by their names."""
        return ", ".join(type(hook).__name__ for hook in self._hooks)

    def save_state(self) -> None:
        """Save everything that training needs to continue after the iterations done."""
        self.save_checkpoint(self.work_dir, f"iter_{self.iter}.pth", meta={"iter": self.iter})

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: Any = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = False,
        backend_args: Any = None,
    ) -> None:
        """Write a checkpoint; called by mmengine's CheckpointHook, whose iteration is not counted yet.

        Raises:
            OutputError: it cannot be written; an older one under the name stays.
        """
        if not is_main_process():
            return
        meta = {"iter": self.iter + 1, **(meta or {})}
        checkpoint: dict[str, Any] = {
            "meta": {**meta, "seed": self.seed, "config": self.cfg.pretty_text, "run": self._identity()},
            "state_dict": cpu_state(network_of(self.model)),
            "runtime": plain(self.message_hub.runtime_info),
        }
        if save_optimizer:
            checkpoint["optimizer"] = plain(self.optim_wrapper.state_dict())
            checkpoint["history"] = recent_history(self.message_hub, self.log_processor)
        if save_param_scheduler:
            checkpoint["param_schedulers"] = [plain(s.state_dict()) for s in self.param_schedulers or []]
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        path = Path(out_dir, filename)
        with temporary_path(path) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # which hides the system's error
                raise OutputError(f"cannot write {path}: {str(error)[:100]}; check the disk's free space") from error

    def _identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the interrupted one."""
        return {
            "clips per step": self.train_dataloader.batch_sampler.batch_size * self.world_size,
            "steps per epoch": len(self.train_dataloader),
            "optim_wrapper": plain(self.cfg.optim_wrapper.to_dict()),
            "param_scheduler": plain([dict(s) for s in self.cfg.get("param_scheduler") or []]),
            **training_identity(self.cfg),
        }

    def load_checkpoint(
        self, filename: str, map_location: Any = "cpu", strict: bool = True, revise_keys: Any = ()
    ) -> dict[str, Any]:
        """Read a checkpoint that training can be resumed from, and take its weights.

        Raises:
            CheckpointError: it cannot be read, or has no state of training.
        """
        checkpoint = _read_state(Path(filename))
        if not isinstance(checkpoint, dict) or "optimizer" not in checkpoint:
            raise CheckpointError(
                f"{filename} holds weights only, nothing to resume from: name it in load_from to start from its weights"
            )
        try:
            network_of(self.model).load_state_dict(checkpoint.get("raw_state_dict", checkpoint["state_dict"]))
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                f"{filename} belongs to another model: resume with the config that it was made with"
            ) from error
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable[..., Any] = "default",
    ) -> None:
        """Continue where a checkpoint was saved.

        Raises:
            CheckpointError: see :meth:`load_checkpoint`; or it was made with another seed or other settings.
        """
        checkpoint = self.load_checkpoint(filename)
        seed = checkpoint["meta"]["seed"]
        if seed != self.seed:
            raise CheckpointError(
                f"{filename} was made with seed {seed}, this run has {self.seed}: use {option('seed', seed)}"
            )
        self._check_identity(filename, checkpoint["meta"]["run"])
        self.train_loop._iter = checkpoint["meta"]["iter"]
        for key, value in checkpoint["runtime"].items():
            self.message_hub.update_info(key, value)
        restore_history(self.message_hub, checkpoint.get("history", {}))
        self.optim_wrapper.load_state_dict(checkpoint["optimizer"])
        for scheduler, state in zip(self.param_schedulers or [], checkpoint["param_schedulers"], strict=True):
            scheduler.load_state_dict(state)
        self._has_loaded = True
        self.logger.info(f"resumed {filename} after iteration {self.iter}")

    def _check_identity(self, filename: str, saved: dict[str, Any]) -> None:
        found = differing_settings(saved, self._identity())
        if found:
            raise CheckpointError(
                f"{filename} was made with other settings: {found}: resume with the same settings, or start anew from "
                f"its weights with {option('load_from')} and another {option('work_dir')}"
            )


def plain(value: Any) -> Any:
    """A copy made of dicts, lists, numbers, strings, None and CPU tensors; a dict loses its other values.

    Raises:
        TypeError: another value stands outside a dict.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if isinstance(item, PLAIN)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if not isinstance(value, PLAIN):
        raise TypeError(f"{type(value).__name__} is no plain data")
    return value
