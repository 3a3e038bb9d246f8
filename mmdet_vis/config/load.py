"""Reading configs, and building what they name, with errors that a user can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmdet_vis.config.check import check_categories, check_config, check_pyramid
from mmdet_vis.config.safe import read_safe_config
from mmdet_vis.config.shipped import find_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS, did_you_mean, file_of

OTHERS = (TRANSFORMS, DATASETS, TASK_UTILS)
IN_PIPELINE = re.compile(r"\.pipeline\[\d+\]$")
"""Ends the place of a transform."""

BUILD_ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError)
"""What a part raises for arguments of a wrong type, number or size."""


def load_config(path: str | Path, options: Mapping[str, Any] | None = None, safe: bool = False) -> Config:
    """Read a config file and apply ``--cfg-options``.

    A config is Python code and is executed: only use files that you trust, or ``safe``.

    Args:
        path: a ``.py``, ``.json`` or ``.yaml`` config, or the name of one that comes with the program, see
            :func:`mmdet_vis.config.shipped.find_config`.
        options: dotted keys and values that override the file's.
        safe: read literals only and execute nothing, see :mod:`mmdet_vis.config.safe`.

    Raises:
        ConfigError: the file is missing or broken; or see :func:`apply_options`.
    """
    path = find_config(path)
    if safe:
        return apply_options(read_safe_config(path), options or {})
    try:
        config = Config.fromfile(str(path), import_custom_modules=True)
    except SystemExit as error:
        raise ConfigError(f"config {path} cannot be read: its code calls sys.exit({error.code!r})") from error
    except Exception as error:  # whatever the code of a config may raise
        raise ConfigError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    return apply_options(config, options or {})


def apply_options(config: Config, options: Mapping[str, Any]) -> Config:
    """Apply dotted keys and values to a config, in place.

    Raises:
        ConfigError: an option names a top-level key that the config lacks, or does not fit; or ``categories`` cannot be
            used.
    """
    name = Path(config.filename or "config").name
    for key in options:
        top = key.split(".")[0]
        if top not in config:
            hint = did_you_mean(top, list(config.keys()))
            raise ConfigError(f"{option('cfg_options')} {key}: {name} has no key {top!r}{hint}")
    try:
        config.merge_from_dict(dict(options))
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{option('cfg_options')} {dict(options)!r:.200}: {error}") from error
    check_categories(config)
    return config


def build_model(config: Config) -> SeqMaskRCNN:
    """Build the network of a config, with freshly initialised weights.

    Raises:
        ConfigError: ``model`` is missing, names an unknown ``type`` (the nearest is named), or has wrong arguments; or
            another block of the config has a value that cannot be used, see :func:`check_config`.
    """
    check_config(config)
    network = build(MODELS, config, "model")
    if not isinstance(network, SeqMaskRCNN):
        raise ConfigError(
            f"{file_of(config)}: model.type={type(network).__name__} is a part of a network: use SeqMaskRCNN or one "
            "derived from it"
        )
    # Parts of other packages may know no such numbers; then only a run can tell.
    num_outs = getattr(network.neck, "num_outs", None)
    anchors = getattr(network.rpn_head, "anchors", None)
    if num_outs is not None and anchors is not None:
        check_pyramid(config, num_outs, anchors.strides)
    return network


def build(registry: Registry, config: Mapping[str, Any], key: str, **defaults: Any) -> Any:
    """Build ``config[key]`` from a registry.

    Args:
        key: a key, or several with dots between.
        **defaults: arguments for what the config does not say.

    Raises:
        ConfigError: see :func:`build_model`.
    """
    file = file_of(config)
    part: Any = config
    for name in key.split("."):
        part = part.get(name) if isinstance(part, Mapping | Config) else None
    if not isinstance(part, Mapping) or "type" not in part:
        raise ConfigError(f"{file}: {key} must be a dict with a 'type'")
    for where, name in _types(part, key):
        # A part's own parts may be of another kind, such as a dataset's transforms.
        own = TRANSFORMS if IN_PIPELINE.search(where.removeprefix(key)) else registry
        registries = (own,) if where == key or own is TRANSFORMS else (own, *OTHERS)
        if isinstance(name, str) and all(r.get(name) is None for r in registries):
            hint = did_you_mean(name, own.module_dict)
            raise ConfigError(f"{file}: {where}.type={name!r:.80} is not registered as a {own.name}{hint}")
    try:
        return registry.build({**defaults, **part})
    except ConfigError as error:  # of the part itself, which does not know the file
        raise ConfigError(f"{file}: {error}") from error
    except BUILD_ERRORS as error:
        reason = str(error).strip().partition("\n")[0]  # PyTorch adds where in its own code it was
        raise ConfigError(f"{file}: {key}: {reason[:500]}") from error


def _types(part: Any, where: str) -> Iterator[tuple[str, Any]]:
    """All (place, type) pairs below a config node."""
    if isinstance(part, Mapping):
        if "type" in part:
            yield where, part["type"]
        for key, value in part.items():
            yield from _types(value, f"{where}.{key}")
    elif isinstance(part, list | tuple):
        for index, value in enumerate(part):
            yield from _types(value, f"{where}[{index}]")


def build_dataset(config: Config) -> VideoDataset:
    """Build ``config.test.dataset``.

    Raises:
        ConfigError: there is none, it cannot be built, or it has other categories than the model.
        DatasetError: its files cannot be used.
    """
    test = config.get("test") or {}
    if "dataset" not in test:
        raise ConfigError(f"{config.filename}: has no test.dataset: add it, or segment videos with --input-dir DIR")
    dataset: VideoDataset = build(DATASETS, Config(dict(test), filename=config.filename), "dataset")
    categories = resolve_categories(config.get("categories") or ())
    same = dataset.categories == categories or len(dataset.categories) == len(categories) == 1
    if not same:
        raise ConfigError(
            f"{config.filename}: test.dataset has other categories than the model, or another order: give it "
            "categories=... with the same value as the config's own"
        )
    return dataset
