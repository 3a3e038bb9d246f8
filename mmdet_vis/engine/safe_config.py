"""Configs read as data: literals only, nothing is executed and nothing is imported.

A config is Python code that mmengine runs. Those of this project need little of the language, and that little is read
here from the syntax tree: assignments of literals, ``dict(...)``, names assigned before, ``**`` of such a dict,
arithmetic of numbers, ``_base_`` and ``_base_.name``. The outcome is the same :class:`Config` that running the file
would give.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.engine.config_literals import BASE, MAX_VALUES, Literals, refused, size_of
from mmdet_vis.engine.safe_types import check_types
from mmdet_vis.errors import ConfigError

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
    own = _json_values(text, path) if literals is None else {}
    bases = own.pop(BASE, []) if literals is None else literals.bases()
    names = bases if isinstance(bases, list | tuple) else [bases]
    merged: dict[str, Any] = {}
    texts = []
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name or "::" in name:
            raise ConfigError(f"config {path}: _base_ {name!r:.60} is not the path of a file")
        values, base_text = _read(path.parent / name, files, (*chain, path.resolve()))
        double = merged.keys() & values.keys()
        if double:
            raise ConfigError(f"config {path}: two of its bases have {min(double)!r}: keep it in one of them")
        merged |= values
        texts.append(base_text)
    # mmengine's own rules of inheritance, so that both ways of reading agree.
    merged = Config._dict_to_config_dict(merged)
    if literals is not None:
        own = literals.read(merged)
    merged = Config._merge_a_into_b(own, merged)
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
