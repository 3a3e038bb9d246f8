"""Registries of everything that a config can name.

Each is a child (scope ``mmdet_vis``) of mmengine's root registry of the same name, as in MMDetection 3: a config says
``dict(type="ResNet", ...)``, and ``dict(type="mmdet.ResNet", ...)`` reaches a module of an installed mmdet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmengine import registry as root
from mmengine.registry import Registry, build_from_cfg

from mmdet_vis.errors import ConfigError, UserError

SCOPE = "mmdet_vis"

# The parent's way of building also takes lists of parts, and imports the optimizers of three libraries for it.
MODELS = Registry("model", build_func=build_from_cfg, parent=root.MODELS, scope=SCOPE, locations=["mmdet_vis.models"])
DATASETS = Registry(
    "dataset", parent=root.DATASETS, scope=SCOPE, locations=["mmdet_vis.data.datasets", "mmdet_vis.data.clips"]
)
TRANSFORMS = Registry("transform", parent=root.TRANSFORMS, scope=SCOPE, locations=["mmdet_vis.data.clips"])
TASK_UTILS = Registry("task util", parent=root.TASK_UTILS, scope=SCOPE, locations=["mmdet_vis.propose_reduce"])
PROPOSERS = Registry("proposer", scope=SCOPE, locations=["mmdet_vis.proposers"])
HOOKS = Registry("hook", parent=root.HOOKS, scope=SCOPE, locations=["mmdet_vis.training"])
LOOPS = Registry("loop", parent=root.LOOPS, scope=SCOPE, locations=["mmdet_vis.training"])
OPTIM_WRAPPERS = Registry("optim wrapper", parent=root.OPTIM_WRAPPERS, scope=SCOPE, locations=["mmdet_vis.training"])


def file_of(config: Mapping[str, Any]) -> str:
    """The file that a config was read from, for errors; ``config`` if it was made in Python."""
    return str(getattr(config, "filename", None) or "config")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The end of an error about an unknown name: the nearest known one, or all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else "; it takes none"


BUILD_ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, ArithmeticError)
"""What a part raises for arguments of a wrong type, number or size."""

IN_PIPELINE = re.compile(r"\.pipeline\[\d+\]$")
"""Ends the place of a transform."""


def build_part(registry: Registry, part: Any, where: str, **defaults: Any) -> Any:
    """Build what a node of a config names: every part, of whatever kind, is built here.

    Args:
        registry: where its ``type`` is looked up.
        part: a dict with ``type`` and arguments.
        where: what messages call it.
        **defaults: arguments for what the part does not say.

    Raises:
        ConfigError: it is no such dict; a type, of it or of its own parts, is not registered (the nearest is named); or
            it does not take the arguments.
    """
    if not isinstance(part, Mapping) or "type" not in part:
        raise ConfigError(f"{where} must be a dict with a 'type'")
    for place, name in _types(part, where):
        # A part's own parts may be of another kind, such as a dataset's transforms.
        own = TRANSFORMS if IN_PIPELINE.search(place.removeprefix(where)) else registry
        registries = (own,) if place == where or own is TRANSFORMS else (own, TRANSFORMS, DATASETS, TASK_UTILS)
        if isinstance(name, str) and all(r.get(name) is None for r in registries):
            hint = did_you_mean(name, own.module_dict)
            raise ConfigError(f"{place}.type={name!r:.80} is not registered as a {own.name}{hint}")
    try:
        return registry.build({**defaults, **part})
    except UserError:
        raise
    except BUILD_ERRORS as error:
        reason = str(error).strip().partition("\n")[0]  # PyTorch adds where in its own code it was
        raise ConfigError(f"{where}: {reason[:500]}") from error


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
