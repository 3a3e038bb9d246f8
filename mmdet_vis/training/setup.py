"""From a config to a Runner that is ready to train."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from torch import nn

from mmdet_vis.config.load import build, build_dataset, build_model, check_classes, check_same_categories
from mmdet_vis.config.read import WHOLE
from mmdet_vis.data.clips import build_loader
from mmdet_vis.data.clips.base import ClipDataset
from mmdet_vis.device import resolve_device
from mmdet_vis.errors import CheckpointError, ConfigError, few
from mmdet_vis.losses.light_propagation import LightPropagationStep
from mmdet_vis.losses.step import TrainingStep
from mmdet_vis.models.backbones.depthwise import depthwise_in_float32
from mmdet_vis.registry import BUILD_ERRORS, DATASETS, file_of
from mmdet_vis.run.workers import Workers
from mmdet_vis.training.check import check_custom_keys, check_training, train_settings
from mmdet_vis.training.runner import TrainingRunner
from mmdet_vis.training.step import TrainingModel
from mmdet_vis.training.validation import VideoValLoop
from mmdet_vis.weights.checkpoint import check_types, read_state_dict
from mmdet_vis.weights.find import find_weights

PART_ERRORS = (*BUILD_ERRORS, AssertionError, ImportError)


def build_runner(
    config: Config, work_dir: Path, device: str = "auto", seed: int = 0, resumes: bool = False
) -> TrainingRunner:
    """Build everything that ``tools/train.py`` needs, in this process (one of several under ``torchrun``).

    Args:
        config: with ``model``, ``train`` (``dataset``, ``batch_size`` of a process, ``num_workers``, ``accumulate``
            batches per step, ``base_batch_size`` that the learning rate is meant for), ``optim_wrapper``,
            ``param_scheduler``, ``train_cfg``, and optionally ``val_cfg``, ``load_from``, ``default_hooks``,
            ``custom_hooks``, ``visualizer``.
        work_dir: for checkpoints and logs.
        device: see :func:`mmdet_vis.api.load_model`.
        seed: of everything that is left to chance.
        resumes: weights will come from a state of training, so ``load_from`` is not read.

    Raises:
        ConfigError, DatasetError, CheckpointError: something cannot be used.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    where = resolve_device(Workers(get_rank(), get_world_size(), local_rank).device(device))
    check_training(config)
    settings = train_settings(config)
    torch.manual_seed(seed)  # the initial weights
    network = build_model(config)
    check_custom_keys(config, (name for name, _ in network.named_parameters()))
    check_classes(config, network)
    if config.get("load_from") and not resumes:
        initialise(network, config.load_from)
    network.to(device=where, memory_format=torch.channels_last)  # type: ignore[call-overload]
    depthwise_in_float32(network)
    train = config.train
    dataset = build_training_dataset(config)
    check_same_categories(config, "train.dataset", dataset.categories)
    preprocess = config.data_preprocessor
    step = (LightPropagationStep if settings.prop.only else TrainingStep)(
        network, settings, preprocess["mean"], preprocess["std"], preprocess.get("to_rgb", True),
        preprocess.get("size_divisor", 32),
    ).to(where)  # fmt: skip
    accumulate = train.get("accumulate", 1)
    batch_size = clips_per_step(config)
    workers = train.get("num_workers", 2)
    loader = build_loader(dataset, batch_size, workers, seed, get_rank(), get_world_size())
    config = copy.deepcopy(config)
    if base := train.get("base_batch_size"):  # that the learning rate is meant for: linear scaling
        optimizer = config.optim_wrapper.optimizer
        optimizer.lr = optimizer.lr * (batch_size * get_world_size()) / base
    runner = _runner(config, TrainingModel(step, accumulate), loader, work_dir, seed)
    runner.logger.info(
        f"training {type(network).__name__} with {type(network.backbone).__name__} "
        f"({_millions(network, trained=True)} of {_millions(network)} M parameters) "
        f"from {'the last state' if resumes else config.get('load_from') or 'random weights'} "
        f"on {len(dataset)} clips of {' and '.join(_sources(train.dataset)) or type(dataset).__name__}, "
        f"{len(dataset.categories)} categories: {runner.train_loop.max_iters} steps of "
        f"{batch_size * get_world_size()} clips"
    )
    return runner


def _millions(network: nn.Module, trained: bool = False) -> str:
    return f"{sum(p.numel() for p in network.parameters() if p.requires_grad or not trained) / 1e6:.1f}"


def _sources(part: Any) -> list[str]:
    """The annotation files that a dataset of a config, or one within it, reads."""
    if isinstance(part, Mapping):
        own = [str(part["ann_file"])] if "ann_file" in part else []
        return own + [name for value in part.values() for name in _sources(value)]
    return [name for item in part for name in _sources(item)] if isinstance(part, list | tuple) else []


def _runner(config: Config, model: TrainingModel, loader: Any, work_dir: Path, seed: int) -> TrainingRunner:
    in_epochs = {"by_epoch": True, "convert_to_iter_based": True}  # iterations are counted here
    given = config.get("param_scheduler") or []
    schedulers = [{**s, **in_epochs} if s.get("by_epoch", True) else dict(s) for s in given]
    hooks = {"sampler_seed": None, "checkpoint": {"type": "CheckpointHook"}, **(config.get("default_hooks") or {})}
    hooks["logger"] = {"type": "LoggerHook", **(hooks.get("logger") or {}), "log_metric_by_epoch": False}
    hooks["checkpoint"] = {"interval": 1000, **hooks["checkpoint"], "by_epoch": False} if hooks["checkpoint"] else None
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
        # The Runner would build them when it starts to train; what is wrong with them should be one line, too.
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        if runner.param_schedulers:
            runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    except PART_ERRORS as error:
        raise ConfigError(f"{file_of(config)}: {' '.join(str(error).split())}") from error
    return runner


def initialise(network: nn.Module, path: str | Path) -> None:
    """Copy the tensors of a checkpoint that have the name and shape of one of the network's; the rest stays.

    What was used and what stays as initialised is logged: starting from other categories leaves the last layers of the
    heads, starting from ImageNet weights leaves everything but the backbone.

    Raises:
        CheckpointError: the file cannot be read, or nothing of it fits.
    """
    path = find_weights(path)
    state = read_state_dict(path)
    own = network.state_dict()
    used = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not used:
        raise CheckpointError(
            f"load_from {path}: none of its {len(state)} tensors has the name and shape of one of the model's; "
            "convert it first with tools/convert_checkpoint.py"
        )
    check_types(path, used, own)
    network.load_state_dict(used, strict=False)
    left = [k for k in own if k not in used and not k.endswith("num_batches_tracked")]
    reshaped = [k for k in left if k in state]
    print_log(
        f"load_from {path}: {len(used)} of {len(own)} tensors taken; {len(left)} stay as initialised"
        f"{_some(left)}; {len(reshaped)} of these have another shape there{_some(reshaped)}",
        logger="current",
    )


def _some(names: list[str]) -> str:
    return f" ({few(names, 4)})" if names else ""


def build_training_dataset(config: Mapping[str, Any]) -> ClipDataset:
    """Build ``train.dataset`` of a config.

    Raises:
        ConfigError: the config has none, a wrong one, or one that is not for training.
        DatasetError: its files cannot be used.
    """
    train = config.get("train")
    part = train.get("dataset") if isinstance(train, Mapping) else None
    name = part.get("type") if isinstance(part, Mapping) else None
    named = DATASETS.get(name) if isinstance(name, str) else name
    found = named if isinstance(named, type) else None
    if found is None or issubclass(found, ClipDataset):
        dataset = build(DATASETS, config, "train.dataset")
        if isinstance(dataset, ClipDataset):
            return dataset
        found = type(dataset)
    raise ConfigError(
        f"{file_of(config)}: train.dataset is a {found.__name__}, which is not for training; use YTVISClips, "
        "StillClips or MixedClips"
    )


def clips_per_step(config: Mapping[str, Any]) -> int:
    """Clips that a process uses for a step: ``train.batch_size`` (1 if the config has none) times ``accumulate``.

    Raises:
        ConfigError: one of them is no whole number from 1 on.
    """
    number = 1
    for key in ("batch_size", "accumulate"):
        value = config["train"].get(key, 1)
        if not WHOLE.accepts(value):
            raise ConfigError(f"{file_of(config)}: train.{key}={value!r} must be {WHOLE.what}")
        number *= value
    return number
