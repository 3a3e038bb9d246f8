"""Reading configs, for every way in: nothing here waits for PyTorch, so what is wrong with a config is said at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.config.check import check_config
from mmdet_vis.config.safe import read_safe_config
from mmdet_vis.config.shipped import find_config
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.registry import did_you_mean


def load_config(path: str | Path, options: Mapping[str, Any] | None = None, safe: bool = False) -> Config:
    """Read a config file, apply ``--cfg-options`` and check all of its blocks: what comes out can be relied on.

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
    if path.suffix.lower() in (".pth", ".pt", ".safetensors"):
        raise ConfigError(f"config {path} is a file of weights: name the config first, then the weights")
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
    """Apply dotted keys and values to a config, in place, and check it.

    Raises:
        ConfigError: an option names a top-level key that the config lacks, or does not fit; or a block of the config
            has a value that cannot be used, see :func:`~mmdet_vis.config.check.check_config`.
    """
    name = Path(config.filename or "config").name
    for key in options:
        top = key.split(".")[0]
        if top not in config:
            hint = did_you_mean(top, list(config.keys()))
            raise ConfigError(f"{option('cfg_options')} {key}: {name} has no key {top!r}{hint}")
    try:
        config.merge_from_dict(copy.deepcopy(dict(options)))  # it takes "_delete_" out of what it is given
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{option('cfg_options')} {dict(options)!r:.200}: {error}") from error
    check_config(config)
    return config
