"""Configs read as data: literals only, nothing is executed and nothing is imported.

A config is Python code that mmengine runs. Those of this project need little of the language, and that little is read
here from the syntax tree: assignments of literals, ``dict(...)``, names assigned before, ``**`` of such a dict,
arithmetic of numbers, ``_base_`` and ``_base_.name``. The outcome is the same :class:`Config` that running the file
would give.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS, Registry

from mmdet_vis import registry as own
from mmdet_vis.config.literals import BASE, MAX_VALUES, Literals, refused, size_of
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import SCOPE, did_you_mean

INFERENCE = (own.MODELS, own.TASK_UTILS)
"""Registries of this package that a model for inference is built from."""
TRAINING = (own.DATASETS, own.HOOKS, own.LOOPS, own.OPTIM_WRAPPERS, own.PROPOSERS, own.TRANSFORMS)
"""Those that the user's own file may name besides: these may read and fetch further files."""
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
    """Check that a config, of any nested values, names only parts that may be built from data.

    Raises:
        ConfigError: it names another type than those of models and Propose-Reduce, and of datasets and training if
            ``allow_training``; or another scope. It names ``file``.
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


MAX_BYTES = 2**20
"""Size of a config file."""
MAX_FILES = 100
"""Files of a chain of bases; each may have several."""


def read_safe_config(path: str | Path) -> Config:
    """Read a ``.py`` or ``.json`` config, and its bases, as data.

    Raises:
        ConfigError: a file cannot be read, holds anything but literals (file, line and construct are named), or names
            a type that is not one of the program's own parts.
    """
    files: list[Path] = []
    try:
        content, text = _read(Path(path), files, ())
        config = Config(content, cfg_text=text, filename=str(path))
    except (RecursionError, MemoryError) as error:
        raise ConfigError(f"config {path} cannot be read: it is nested too deeply") from error
    except (TypeError, KeyError, ValueError, AttributeError) as error:  # of mmengine's merging
        raise ConfigError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    check_types(config.to_dict(), str(path), allow_training=True)
    return config


def _read(path: Path, files: list[Path], chain: tuple[Path, ...]) -> tuple[dict[str, Any], str]:
    """The values of a file merged into those of its bases, and the text of all of them."""
    by = f", the _base_ of {chain[-1]}," if chain else ""
    if not path.is_file():
        raise ConfigError(f"config {path}{by} does not exist or is no file")
    if path.resolve() in chain:
        raise ConfigError(f"config {path}: its _base_ leads back to itself")
    files.append(path)
    if len(files) > MAX_FILES:
        raise ConfigError(f"config {path}: more than {MAX_FILES} files in its chain of bases")
    text = _text(path, by)
    literals = Literals(path, text) if path.suffix == ".py" else None
    values = _json_values(text, path) if literals is None else {}
    bases = values.pop(BASE, []) if literals is None else literals.bases()
    names = bases if isinstance(bases, list | tuple) else [bases]
    merged: dict[str, Any] = {}
    texts = []
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name or "::" in name:
            raise ConfigError(f"config {path}: _base_ {name!r:.60} is not the path of a file")
        inherited, base_text = _read(path.parent / name, files, (*chain, path.resolve()))
        if double := merged.keys() & inherited.keys():
            raise ConfigError(f"config {path}: two of its bases have {min(double)!r}: keep it in one of them")
        merged |= inherited
        texts.append(base_text)
    # mmengine's own rules of inheritance, so that both ways of reading agree.
    merged = Config._dict_to_config_dict(merged)
    if literals is not None:
        values = literals.read(merged)
    merged = Config._merge_a_into_b(values, merged)
    texts.append(f"{path}\n{text}")
    return {key: value for key, value in merged.items() if not key.startswith("__")}, "\n".join(texts)


def _text(path: Path, by: str) -> str:
    if path.suffix not in (".py", ".json"):
        raise ConfigError(f"config {path}{by} cannot be read as data: only .py and .json can, see docs/security.md")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"config {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"config {path} cannot be read: it is not UTF-8 text") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"config {path} cannot be read: it is larger than {MAX_BYTES} bytes")
    for number, line in enumerate(text.splitlines(), 1):
        if "{{" in line.partition("#")[0] if path.suffix == ".py" else "{{" in line:
            raise refused(path, number, "a placeholder {{...}}")
    return text


def _json_values(text: str, path: Path) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"config {path}, line {error.lineno}: not valid JSON ({error.msg})") from None
    except ValueError as error:  # a number of too many digits
        raise ConfigError(f"config {path}: not valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"config {path}: its top level must be an object {{...}}")
    if "custom_imports" in values:
        raise ConfigError(f"config {path}: custom_imports is refused, as it runs code")
    if size_of(values) > MAX_VALUES:
        raise ConfigError(f"config {path}: more than {MAX_VALUES} values")
    return values
