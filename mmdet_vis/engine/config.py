"""Reading configs, and building what they name, with errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmdet_vis.errors import ConfigError
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.registry import MODELS


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and apply ``--cfg-options``.

    A config is Python code and is executed: only use files that you trust.

    Args:
        path: a ``.py``, ``.json`` or ``.yaml`` config.
        options: dotted keys and values that override the file's.

    Raises:
        ConfigError: the file is missing or broken, or an option names a top-level key that the config lacks.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"config {path} does not exist{_nearest_config(path)}")
    try:
        config = Config.fromfile(str(path), import_custom_modules=True)
    except Exception as error:  # whatever the code of a config may raise
        raise ConfigError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    for key in options or {}:
        top = key.split(".")[0]
        if top not in config:
            hint = _did_you_mean(top, list(config.keys()))
            raise ConfigError(f"--cfg-options {key}: {path.name} has no key {top!r}{hint}")
    try:
        config.merge_from_dict(dict(options or {}))
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"--cfg-options {dict(options or {})}: {error}") from error
    return config


def build_model(config: Config) -> SeqMaskRCNN:
    """Build the network of a config, with freshly initialised weights.

    Raises:
        ConfigError: ``model`` is missing, names an unknown ``type`` (the nearest is named), or has wrong arguments.
    """
    return build(MODELS, config, "model")


def build(registry: Registry, config: Mapping[str, Any], key: str, **defaults: Any) -> Any:
    """Build ``config[key]`` from a registry.

    Raises:
        ConfigError: see :func:`build_model`.
    """
    file = Path(getattr(config, "filename", None) or "config").name
    part = config.get(key)
    if not isinstance(part, Mapping) or "type" not in part:
        raise ConfigError(f"{file}: {key} must be a dict with a 'type'")
    for where, name in _types(part, key):
        if isinstance(name, str) and registry.get(name) is None:
            hint = _did_you_mean(name, list(registry.module_dict))
            raise ConfigError(f"{file}: {where}.type={name!r} is not registered as a {registry.name}{hint}")
    try:
        return registry.build({**defaults, **part})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{file}: {key}: {error}") from error


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


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(known))}"


def _nearest_config(path: Path) -> str:
    """A hint for a mistyped config name: the nearest file of the folder it should be in."""
    if not path.parent.is_dir():
        return ""
    names = [p.name for p in path.parent.glob("*.py")]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
