"""Building training data from configs, with errors that name the fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.registry import Registry

from mmdet_vis.engine.config_check import did_you_mean, file_of
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
        ConfigError: the config has none, or a wrong one.
        DatasetError: its files cannot be used.
    """
    # Here, since these import what imports this file.
    from mmdet_vis.data.training.base import ClipDataset
    from mmdet_vis.engine.config import build

    dataset = build(DATASETS, config, "train.dataset")
    if not isinstance(dataset, ClipDataset):
        raise ConfigError(
            f"{file_of(config)}: train.dataset is a {type(dataset).__name__}; use YTVISClips, StillClips or MixedClips"
        )
    return dataset
