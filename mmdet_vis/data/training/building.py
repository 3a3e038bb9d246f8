"""Building training data from configs, with errors that name the fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.registry import Registry

from mmdet_vis.engine.config_check import WHOLE, did_you_mean, file_of
from mmdet_vis.errors import ConfigError, UserError
from mmdet_vis.registry import DATASETS

if TYPE_CHECKING:
    from mmdet_vis.data.training.base import ClipDataset


def build_part(registry: Registry, config: Any, where: str) -> Any:
    """Build what a config names.

    Args:
        registry: where its ``type`` is looked up.
        config: a dict with ``type`` and arguments.
        where: what messages call it.

    Raises:
        ConfigError: it is no such dict, the type is not registered, or it does not take the arguments.
    """
    if not isinstance(config, Mapping) or "type" not in config:
        raise ConfigError(f"{where} must be a dict with a 'type'")
    name = config["type"]
    if isinstance(name, str) and registry.get(name) is None:
        raise ConfigError(
            f"{where}: {name!r} is not a registered {registry.name}{did_you_mean(name, registry.module_dict)}"
        )
    try:
        return registry.build(dict(config))
    except UserError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{where}: {error}") from error


def build_training_dataset(config: Mapping[str, Any]) -> ClipDataset:
    """Build ``train.dataset`` of a config.

    Raises:
        ConfigError: the config has none, a wrong one, or one that is not for training.
        DatasetError: its files cannot be used.
    """
    # Here, since these import what imports this file.
    from mmdet_vis.data.training.base import ClipDataset
    from mmdet_vis.engine.config import build

    named = _dataset_class(config)
    if named is not None and not issubclass(named, ClipDataset):
        raise _not_for_training(config, named)
    dataset = build(DATASETS, config, "train.dataset")
    if not isinstance(dataset, ClipDataset):
        raise _not_for_training(config, type(dataset))
    return dataset


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


def _dataset_class(config: Mapping[str, Any]) -> type | None:
    """The class that ``train.dataset`` names, if it does."""
    train = config.get("train")
    part = train.get("dataset") if isinstance(train, Mapping) else None
    name = part.get("type") if isinstance(part, Mapping) else None
    found = DATASETS.get(name) if isinstance(name, str) else name
    return found if isinstance(found, type) else None


def _not_for_training(config: Mapping[str, Any], found: type) -> ConfigError:
    return ConfigError(
        f"{file_of(config)}: train.dataset is a {found.__name__}, which is not for training; use YTVISClips, "
        "StillClips or MixedClips"
    )
