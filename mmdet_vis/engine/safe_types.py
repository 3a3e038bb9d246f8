"""Which parts a config that is not trusted may name.

mmengine's registries build whatever a ``type`` names: where no part of that name is registered, the name is imported,
so that ``dict(type="os.system", command=...)`` runs a command. A config that is data must name registered parts only,
and of these only such as do nothing but what a model, a dataset or a training run needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS, Registry

from mmdet_vis.engine.config_check import did_you_mean
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import (
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    SCOPE,
    TASK_UTILS,
    TRANSFORMS,
)

INFERENCE = (MODELS, TASK_UTILS)
"""Registries of this package that a model for inference is built from."""
TRAINING = (DATASETS, HOOKS, LOOPS, METRICS, OPTIM_WRAPPERS, TRANSFORMS)
ROOTS = (OPTIMIZERS, PARAM_SCHEDULERS)
"""Registries of mmengine of which every part is harmless: optimisers and schedules."""
OTHERS = frozenset(
    {"CheckpointHook", "DistSamplerSeedHook", "EarlyStoppingHook", "IterTimerHook", "LogProcessor", "LoggerHook"}
    | {"ParamSchedulerHook", "RuntimeInfoHook", "LocalVisBackend", "TensorboardVisBackend", "Visualizer"}
    | {"DefaultOptimWrapperConstructor"}
)
"""Further parts of mmengine. Its datasets unpickle files and some of its hooks upload: those are not among them."""
SCOPES = (SCOPE, "mmengine")
BY_NAME = ("type", "constructor", "runner_type", "sampler", "collate_fn")
"""Keys whose strings mmengine looks up, and imports."""


def check_types(config: Mapping[str, Any], file: str, allow_training: bool) -> None:
    """Check that a config names only parts that may be built from data.

    Args:
        config: any mapping; values may be nested.
        file: for messages.
        allow_training: also parts of datasets and training; otherwise of models and Propose-Reduce only.

    Raises:
        ConfigError: it names another type, or another scope.
    """
    allowed: set[str] | None = None
    for where, key, value in _named(config, ""):
        if key in ("_scope_", "default_scope"):
            if value not in (None, *SCOPES):
                raise ConfigError(f"{file}: {where}={value!r:.60} is refused: a config that is data stays in {SCOPE}")
            continue
        if value is None and key != "type":
            continue
        allowed = _allowed(allow_training) if allowed is None else allowed
        name = value
        for scope in SCOPES:
            name = name.removeprefix(f"{scope}.") if isinstance(name, str) else name
        if not isinstance(name, str) or name not in allowed:
            hint = did_you_mean(name, allowed) if isinstance(name, str) else ""
            raise ConfigError(
                f"{file}: {where}={value!r:.60} is refused: a config that is data names only the program's own "
                f"parts{hint if '; did' in hint else ''}"
            )


def _allowed(allow_training: bool) -> set[str]:
    import mmdet_vis.baselines  # noqa: F401  (registers what a config may name in propose_reduce.method)

    registries: list[Registry] = [*INFERENCE, *(TRAINING if allow_training else ())]
    for registry in registries:
        registry.import_from_location()
    # Not the root registries above them, which hold parts of mmengine and of other packages.
    names = {name for registry in registries for name in registry.module_dict}
    if allow_training:
        for root in ROOTS:
            root.import_from_location()
            names |= root.module_dict.keys()
        names |= OTHERS
    return names


def _named(node: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    """(place, key, value) of every value below a node that mmengine looks up by name."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            place = f"{where}.{key}" if where else str(key)
            if key in (*BY_NAME, "_scope_", "default_scope") and not isinstance(value, Mapping):
                yield place, key, value
            else:
                yield from _named(value, place)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _named(value, f"{where}[{index}]")
