"""One file that is a whole model: weights as safetensors, with the config as JSON in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from mmengine.config import Config

from mmdet_vis.config.load import apply_options, build_model
from mmdet_vis.config.read import MAX_WHOLE, check_wholes
from mmdet_vis.config.safe import check_types
from mmdet_vis.errors import CheckpointError, ConfigError, option
from mmdet_vis.weights.checkpoint import file_format, load_checkpoint, write_state

CONFIG_KEY = "mmdet_vis.config"
"""Name of the config in the metadata."""

MAX_CONFIG = 2**20
"""Characters of such a config."""

MAX_SIDE = 2**13
"""Side of the frames that the network sees, in pixels."""
MAX_DIVISOR = 2**10

KEPT = ("categories", "data_preprocessor", "model", "propose_reduce", "recommended")
"""What inference needs of a config."""


def embedded_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """The config that a file of :func:`export_model` carries, overridden by dotted keys and values.

    It is plain data, so nothing is executed.

    Raises:
        CheckpointError: the file cannot be read.
        ConfigError: it carries no config, a broken one, or one that names anything but the program's own parts; see
            :func:`mmdet_vis.config.load.apply_options`.
    """
    path = Path(path)
    missing = f"{path} carries no config: name the config that the weights were trained with"
    if file_format(path) != "safetensors":
        raise ConfigError(missing)
    try:
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(CONFIG_KEY)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} is a damaged safetensors file: download it again") from error
    if text is None:
        raise ConfigError(missing)
    return apply_options(parse_config(text, str(path)), options or {})


def parse_config(text: str, where: str) -> Config:
    """A config that came with weights, as JSON: plain data, so nothing is executed.

    Raises:
        ConfigError: it is damaged, or names anything but the program's own parts.
    """
    try:
        content = json.loads(text) if len(text) <= MAX_CONFIG else None
        if not isinstance(content, dict):
            raise ConfigError(f"{where} carries a damaged config: download it again")
        # mmengine imports what a type names, so that "os.system" would be a part like any other.
        check_types(content, where, allow_training=False)
        _check_sizes(content, where)
        return Config(content, cfg_text=text, filename=where)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{where} carries a damaged config: download it again") from error


def _check_sizes(config: Mapping[str, Any], file: str) -> None:
    """Check that no number of a config that is data (plain dicts, lists and tuples) asks for absurd memory or time.

    Raises:
        ConfigError: a whole number is too large; names ``file``.
    """
    preprocessor = config.get("data_preprocessor")
    limits = {"img_scale": MAX_SIDE, "size_divisor": MAX_DIVISOR}
    if isinstance(preprocessor, Mapping):
        for key, most in limits.items():
            check_wholes(preprocessor.get(key), f"data_preprocessor.{key}", most, file)
    check_wholes(config, "", MAX_WHOLE, file)


def config_text(config: Config) -> str:
    """What inference needs of a config, as JSON.

    Raises:
        ConfigError: it holds something that JSON cannot express.
    """
    content = {key: config[key] for key in KEPT if key in config}
    content["model"] = {key: value for key, value in config.model.items() if key != "train_cfg"}
    try:
        return json.dumps(Config(content).to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config.filename}: cannot be stored as JSON: {error}") from error


def check_fits(config: Config, path: str | Path) -> None:
    """Refuse a model file that is smaller than the model that its config describes, before memory is taken for it.

    Raises:
        ConfigError: see :func:`mmdet_vis.config.load.build_model`.
        CheckpointError: it has fewer bytes than the model has weights.
    """
    with torch.device("meta"):  # shapes are enough
        network = build_model(config, init=False)
    weights = sum(parameter.numel() for parameter in network.parameters())
    size = Path(path).stat().st_size
    if weights > size:
        raise CheckpointError(
            f"checkpoint {path} has {size} bytes, but its config describes a model of {weights} weights: download it "
            "again"
        )


def export_model(config: Config, checkpoint: str | Path, target: str | Path, half: bool = False) -> int:
    """Write a checkpoint with its config as one model file.

    Args:
        config: that the weights belong to; of it, :data:`KEPT` is written.
        checkpoint: weights of exactly this model; of a training state, the averaged weights where it has some.
        target: a name that ends in ``.safetensors``; replaced if it exists.
        half: store weights in float16: half the size, values to three digits.

    Returns:
        size of the file in bytes.

    Raises:
        CheckpointError: the weights cannot be read or do not fit, or the target has another ending.
        ConfigError: the config holds something that JSON cannot express.
        OutputError: the file cannot be written.
    """
    target = Path(target)
    if target.suffix.lower() != ".safetensors":
        raise CheckpointError(f"cannot write {target}: its name must end in .safetensors")
    network = build_model(config, init=False)
    load_checkpoint(network, checkpoint)
    text = config_text(config)
    state = network.state_dict()
    if half:
        state = {k: v.to(torch.float16) if v.dtype == torch.float32 else v for k, v in state.items()}
        overflown = [k for k, v in state.items() if v.is_floating_point() and not bool(v.isfinite().all())]
        if overflown:
            raise CheckpointError(
                f"cannot write {target}: {overflown[0]} is too large for float16; leave out {option('half')}"
            )
    write_state(state, target, {CONFIG_KEY: text})
    return target.stat().st_size
