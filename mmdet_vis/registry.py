"""Registries of everything that a config can name.

Each is a child (scope ``mmdet_vis``) of mmengine's root registry of the same name, as in MMDetection 3: a config says
``dict(type="ResNet", ...)``, and ``dict(type="mmdet.ResNet", ...)`` reaches a module of an installed mmdet.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import Registry

from mmdet_vis.errors import ConfigError, UserError

SCOPE = "mmdet_vis"

MODELS = Registry("model", parent=ROOT_MODELS, scope=SCOPE, locations=["mmdet_vis.models"])
DATASETS = Registry(
    "dataset", parent=ROOT_DATASETS, scope=SCOPE, locations=["mmdet_vis.data.datasets", "mmdet_vis.data.clips"]
)
TRANSFORMS = Registry("transform", parent=ROOT_TRANSFORMS, scope=SCOPE, locations=["mmdet_vis.data.clips"])
TASK_UTILS = Registry("task util", parent=ROOT_TASK_UTILS, scope=SCOPE, locations=["mmdet_vis.propose_reduce"])
HOOKS = Registry("hook", parent=ROOT_HOOKS, scope=SCOPE, locations=["mmdet_vis.training"])
LOOPS = Registry("loop", parent=ROOT_LOOPS, scope=SCOPE, locations=["mmdet_vis.training"])
OPTIM_WRAPPERS = Registry("optim wrapper", parent=ROOT_OPTIM_WRAPPERS, scope=SCOPE, locations=["mmdet_vis.training"])


def file_of(config: Mapping[str, Any]) -> str:
    """The file that a config was read from, for errors; ``config`` if it was made in Python."""
    return str(getattr(config, "filename", None) or "config")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else "; it takes none"


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
