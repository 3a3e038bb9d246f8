"""Checks of the blocks of a config that training reads: a wrong value is named before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS

from mmdet_vis.choices import PRECISIONS
from mmdet_vis.config.read import DECAY, FRACTION, WHOLE, Rule, Rules, check_block
from mmdet_vis.errors import ConfigError
from mmdet_vis.evaluation.ytvis.metrics import SUMMARY
from mmdet_vis.losses.rpn import RPNSettings
from mmdet_vis.losses.step import DTYPES, PropagationSettings, TrainSettings
from mmdet_vis.losses.targets import SampleSettings
from mmdet_vis.registry import did_you_mean, file_of

PARTS: Mapping[str, Any] = {"rpn": RPNSettings, "rcnn": SampleSettings, "prop": PropagationSettings}
"""Blocks of ``model.train_cfg``."""

NOT_NEGATIVE = Rule(lambda v: v == 0 or DECAY.accepts(v), "a number from 0 on")
TABLE = Rule(lambda v: isinstance(v, Mapping), "a dict")
OPTIONAL_WHOLE = Rule(lambda v: v is None or WHOLE.accepts(v), "a whole number from 1 on, or None")

SETTINGS: Rules = {
    **dict.fromkeys(("pos_iou_thr", "neg_iou_thr", "min_pos_iou", "pos_fraction", "true_mask_share"), FRACTION),
    **dict.fromkeys(("num", "max_objects"), WHOLE),
    "beta": DECAY,
    "bce_weight": NOT_NEGATIVE,
    "only": Rule(lambda v: isinstance(v, bool), "True or False"),
}
TRAIN: Rules = {
    "dataset": TABLE,
    **dict.fromkeys(("batch_size", "accumulate", "base_batch_size"), WHOLE),
    "num_workers": Rule(lambda v: v == 0 or WHOLE.accepts(v), "a whole number from 0 on"),
}
TRAIN_CFG: Rules = dict.fromkeys(("max_iters", "max_epochs", "val_interval", "val_begin"), WHOLE)
VAL_CFG: Rules = {
    "num_videos": OPTIONAL_WHOLE,
    "precision": Rule(lambda v: v in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
}
OPTIM_WRAPPER: Rules = {
    "optimizer": Rule(lambda v: isinstance(v, Mapping) and "type" in v and DECAY.accepts(v.get("lr")),
                      "a dict with a 'type' and a learning rate 'lr' above 0"),
    "precision": Rule(lambda v: v in DTYPES, f"one of {', '.join(DTYPES)}"),
    "clip_grad": Rule(lambda v: v is None or _is_clip(v), "dict(max_norm=..., norm_type=...), or None"),
    "paramwise_cfg": TABLE,
    "constructor": Rule(lambda v: isinstance(v, str), "a name"),
}  # fmt: skip
PARAMWISE: Rules = {
    "custom_keys": Rule(lambda v: isinstance(v, Mapping) and all(map(TABLE.accepts, v.values())),
                        "a dict of dicts with lr_mult and decay_mult, by parts of parameters' names"),
    **dict.fromkeys(("bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult", "dwconv_decay_mult",
                     "dcn_offset_lr_mult"), NOT_NEGATIVE),
    "bypass_duplicate": Rule(lambda v: isinstance(v, bool), "True or False"),
}  # fmt: skip
"""What mmengine's constructor of optimisers reads; it passes over any other key."""

CHECKPOINT_HOOK: Rules = {
    "interval": Rule(lambda v: v == -1 or WHOLE.accepts(v), "a whole number from 1 on, or -1 for the last only"),
    "max_keep_ckpts": Rule(lambda v: v == -1 or WHOLE.accepts(v), "a whole number from 1 on, or -1 for all"),
}
LOG_WRITERS = {"TensorboardVisBackend": "tensorboard", "WandbVisBackend": "wandb"}
"""Packages that log writers need."""


def _is_clip(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and DECAY.accepts(value.get("max_norm"))
        and set(value) <= {"max_norm", "norm_type"}
        and DECAY.accepts(value.get("norm_type", 2))
    )


def check_training(config: Config) -> None:
    """Check ``train``, ``train_cfg``, ``val_cfg``, ``optim_wrapper``, the checkpoint hook and the log.

    Raises:
        ConfigError: one line with the file, the key, its value, and what it must be.
    """
    if not isinstance(config.get("train"), Mapping) or not {"dataset", "batch_size"} <= set(config.train):
        raise ConfigError(f"{file_of(config)}: cannot train: it needs train=dict(dataset=dict(...), batch_size=...)")
    check_block(config, "train", config.train, TRAIN)
    for key, rules, required in (("train_cfg", TRAIN_CFG, ()), ("optim_wrapper", OPTIM_WRAPPER, ("optimizer",))):
        if not config.get(key):
            raise ConfigError(f"{file_of(config)}: cannot train: {key} is missing (see configs/_base_/schedules)")
        check_block(config, key, config[key], rules, required)
    name = config.optim_wrapper.optimizer.type
    if isinstance(name, str) and OPTIMIZERS.get(name) is None:
        raise ConfigError(
            f"{file_of(config)}: optim_wrapper.optimizer.type={name!r} is not known"
            f"{did_you_mean(name, OPTIMIZERS.module_dict)}"
        )
    if "constructor" not in config.optim_wrapper:  # one of the user's own may know other keys
        check_block(config, "optim_wrapper.paramwise_cfg", config.optim_wrapper.get("paramwise_cfg", {}), PARAMWISE)
    if ("max_iters" in config.train_cfg) == ("max_epochs" in config.train_cfg):
        raise ConfigError(f"{file_of(config)}: train_cfg: say how long to train by either max_iters or max_epochs")
    if config.get("val_cfg"):
        check_block(config, "val_cfg", config.val_cfg, VAL_CFG)
    _check_checkpoint_hook(config)
    _check_log(config)


def check_custom_keys(config: Config, names: Iterable[str]) -> None:
    """Check that each of ``optim_wrapper.paramwise_cfg.custom_keys`` is a part of a parameter's name.

    Raises:
        ConfigError: one is not, and so would do nothing.
    """
    if "constructor" in config.optim_wrapper:
        return
    names = list(names)
    for key in (config.optim_wrapper.get("paramwise_cfg") or {}).get("custom_keys") or {}:
        if not any(key in name for name in names):
            raise ConfigError(
                f"{file_of(config)}: optim_wrapper.paramwise_cfg.custom_keys: no parameter's name contains {key!r}"
                f"{did_you_mean(key, {name.split('.')[0] for name in names})}"
            )


def train_settings(config: Config) -> TrainSettings:
    """Settings of the losses from ``model.train_cfg``.

    Raises:
        ConfigError: an unknown key, or a value that cannot be used.
    """
    found = config.model.get("train_cfg") or {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"{file_of(config)}: model.train_cfg={found!r} must be a dict with {', '.join(PARTS)}")
    for key in found:
        if key not in PARTS:
            raise ConfigError(f"{file_of(config)}: model.train_cfg has unknown key {key!r}{did_you_mean(key, PARTS)}")
    built = {}
    for key, part in PARTS.items():
        rules = {field.name: SETTINGS[field.name] for field in dataclasses.fields(part)}
        values = found.get(key, {})
        check_block(config, f"model.train_cfg.{key}", values, rules)
        built[key] = part(**values)
    return TrainSettings(**built)


def _check_checkpoint_hook(config: Config) -> None:
    hooks = config.get("default_hooks") or {}
    hook = hooks.get("checkpoint") if isinstance(hooks, Mapping) else None
    if not isinstance(hook, Mapping):
        return
    where = f"{file_of(config)}: default_hooks.checkpoint"
    if hook.get("by_epoch", False):
        raise ConfigError(f"{where}.by_epoch=True: iterations are counted here: set by_epoch=False and an interval")
    check_block(
        config,
        "default_hooks.checkpoint",
        {key: value for key, value in hook.items() if key in CHECKPOINT_HOOK},  # mmengine checks the others' names
        CHECKPOINT_HOOK,
    )
    best = hook.get("save_best")
    if best is not None and best not in SUMMARY:
        raise ConfigError(f"{where}.save_best={best!r} must be one of {', '.join(SUMMARY)}")


def _check_log(config: Config) -> None:
    processor = config.get("log_processor") or {}
    window = processor.get("window_size", 1) if isinstance(processor, Mapping) else None
    if not WHOLE.accepts(window):
        raise ConfigError(f"{file_of(config)}: log_processor.window_size={window!r} must be {WHOLE.what}")
    visualizer = config.get("visualizer") or {}
    for writer in (visualizer.get("vis_backends") if isinstance(visualizer, Mapping) else None) or []:
        name = writer.get("type") if isinstance(writer, Mapping) else None
        package = LOG_WRITERS.get(str(name).rsplit(".", 1)[-1])
        if package is not None and find_spec(package) is None:
            raise ConfigError(
                f"{file_of(config)}: visualizer: {name} needs the package {package}: pip install {package}"
            )
