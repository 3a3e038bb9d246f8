"""What a resumed training run must have in common with the interrupted one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmdet_vis.engine.run_identity import differences

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
    # As it comes back from a file: tuples are lists there.
    plain: dict[str, Any] = json.loads(json.dumps(identity, default=_name, skipkeys=True))
    return plain


def differing_settings(saved: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The settings in which two runs differ, as text for an error message; empty if in none.

    Args:
        saved: of a checkpoint; one of an older version lacks some settings, which are then not compared.
        now: of this run.
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


def _name(value: Any) -> str:
    """Classes and functions in a config, which JSON does not know."""
    return str(getattr(value, "__qualname__", value))
