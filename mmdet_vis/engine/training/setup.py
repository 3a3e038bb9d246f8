"""From a config to a Runner that is ready to train."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size

from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.training import build_loader
from mmdet_vis.engine.config import BUILD_ERRORS, build, build_model
from mmdet_vis.engine.config_check import did_you_mean, file_of
from mmdet_vis.engine.device import resolve_device
from mmdet_vis.engine.run_dataset import build_dataset
from mmdet_vis.engine.training.initialise import initialise
from mmdet_vis.engine.training.model import TrainingModel
from mmdet_vis.engine.training.runner import TrainingRunner
from mmdet_vis.engine.training.validation import VideoValLoop
from mmdet_vis.engine.workers import Workers
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import DATASETS
from mmdet_vis.training.regions import RegionSettings
from mmdet_vis.training.rpn import RPNSettings
from mmdet_vis.training.step import PropagationSettings, TrainingStep, TrainSettings

PARTS: Mapping[str, Any] = {"rpn": RPNSettings, "rcnn": RegionSettings, "prop": PropagationSettings}
TRAIN_KEYS = ("dataset", "batch_size", "num_workers", "accumulate", "base_batch_size")


def build_runner(config: Config, work_dir: Path, device: str = "auto", seed: int = 0) -> TrainingRunner:
    """Build everything that ``tools/train.py`` needs, in this process (one of several under ``torchrun``).

    Args:
        config: with ``model``, ``train`` (``dataset``, ``batch_size`` per process and step, ``num_workers``,
            ``accumulate``, ``base_batch_size`` that the learning rate is meant for), ``optim_wrapper``,
            ``param_scheduler``, ``train_cfg``, and optionally ``val_cfg``, ``load_from``, ``default_hooks``,
            ``custom_hooks``, ``visualizer``.
        work_dir: for checkpoints and logs.
        device: see :func:`mmdet_vis.api.load_model`.
        seed: of everything that is left to chance.

    Raises:
        ConfigError, DatasetError, CheckpointError: something cannot be used.
    """
    where = resolve_device(Workers(get_rank(), get_world_size(), _local_rank()).device(device))
    train = _train_options(config)
    torch.manual_seed(seed)  # the initial weights
    network = build_model(config)
    if config.get("load_from"):
        initialise(network, config.load_from)
    network.to(device=where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    dataset = build(DATASETS, _part(config, {"dataset": train["dataset"]}), "dataset")
    if dataset.categories != resolve_categories(config.get("categories") or ()):
        raise ConfigError(
            f"{file_of(config)}: train.dataset has other categories than the model, or another order: give it "
            "categories=... with the same value as the config's own"
        )
    preprocess = config.data_preprocessor
    step = TrainingStep(
        network, train_settings(config), preprocess["mean"], preprocess["std"], preprocess.get("to_rgb", True),
        preprocess.get("size_divisor", 32),
    ).to(where)  # fmt: skip
    loader = build_loader(dataset, train["batch_size"], train.get("num_workers", 2), seed, get_rank(), get_world_size())
    config = copy.deepcopy(config)
    accumulate = train.get("accumulate", 1)
    _scale_learning_rate(config, train["batch_size"] * get_world_size(), train.get("base_batch_size"))
    return _runner(config, TrainingModel(step, accumulate), loader, work_dir, seed)


def train_settings(config: Config) -> TrainSettings:
    """Settings of the losses from ``model.train_cfg``.

    Raises:
        ConfigError: an unknown key.
    """
    found = config.model.get("train_cfg") or {}
    for key in found:
        if key not in PARTS:
            raise ConfigError(f"{file_of(config)}: model.train_cfg has unknown key {key!r}{did_you_mean(key, PARTS)}")
    built = {}
    for key, part in PARTS.items():
        names = [field.name for field in dataclasses.fields(part)]
        for name in found.get(key, {}):
            if name not in names:
                hint = did_you_mean(name, names)
                raise ConfigError(f"{file_of(config)}: model.train_cfg.{key} has unknown key {name!r}{hint}")
        built[key] = part(**found.get(key, {}))
    return TrainSettings(**built)


def _train_options(config: Config) -> dict[str, Any]:
    train = config.get("train")
    if not isinstance(train, Mapping) or "dataset" not in train or "batch_size" not in train:
        raise ConfigError(f"{file_of(config)}: cannot train: it needs train=dict(dataset=dict(...), batch_size=...)")
    for key in train:
        if key not in TRAIN_KEYS:
            raise ConfigError(f"{file_of(config)}: train has unknown key {key!r}{did_you_mean(key, TRAIN_KEYS)}")
    for key in TRAIN_KEYS[1:]:
        value = train.get(key, 1)
        if not isinstance(value, int) or value < (0 if key == "num_workers" else 1):
            raise ConfigError(f"{file_of(config)}: train.{key}={value!r} must be a whole number from 1 on")
    for key in ("optim_wrapper", "train_cfg"):
        if not config.get(key):
            raise ConfigError(f"{file_of(config)}: cannot train: {key} is missing (see configs/_base_/schedules)")
    return dict(train)


def _scale_learning_rate(config: Config, batch_size: int, base: int | None) -> None:
    """Linear scaling: the learning rate is meant for batches of ``base`` clips."""
    if base:
        config.optim_wrapper.optimizer.lr = config.optim_wrapper.optimizer.lr * batch_size / base


def _runner(config: Config, model: TrainingModel, loader: Any, work_dir: Path, seed: int) -> TrainingRunner:
    schedulers = [_by_iteration(s, len(loader)) for s in config.get("param_scheduler") or []]
    hooks = {"sampler_seed": None, **(config.get("default_hooks") or {})}
    try:
        runner = TrainingRunner(
            model=model,
            work_dir=str(work_dir),
            train_dataloader=loader,
            train_cfg={"type": "ClipTrainLoop", **config.train_cfg},
            optim_wrapper={"type": "MixedPrecisionOptimWrapper", **config.optim_wrapper},
            param_scheduler=schedulers or None,
            default_hooks=hooks,
            custom_hooks=config.get("custom_hooks"),
            launcher="pytorch" if dist.is_initialized() else "none",
            log_processor={"window_size": 50, **(config.get("log_processor") or {}), "by_epoch": False},
            visualizer=config.get("visualizer"),
            default_scope="mmdet_vis",
            randomness={"seed": seed},
            experiment_name=Path(work_dir).name,
            cfg=config,
        )
        if config.get("val_cfg"):
            runner.validation = VideoValLoop(runner, build_dataset(config), **config.val_cfg)
    except BUILD_ERRORS as error:
        raise ConfigError(f"{file_of(config)}: {' '.join(str(error).split())}") from error
    return runner


def _by_iteration(scheduler: Mapping[str, Any], epoch_length: int) -> dict[str, Any]:
    """A schedule in epochs as one in iterations, which is what is counted here."""
    if not scheduler.get("by_epoch", True):
        return dict(scheduler)
    return {**scheduler, "by_epoch": True, "convert_to_iter_based": True}


def _part(config: Config, content: dict[str, Any]) -> Config:
    return Config(content, filename=config.filename)


def _local_rank() -> int:
    import os

    return int(os.environ.get("LOCAL_RANK", "0"))
