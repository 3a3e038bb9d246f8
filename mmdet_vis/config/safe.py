"""Configs read as data: literals only, nothing is executed and nothing is imported.

A config is Python code that mmengine runs. Those of this project need little of the language, and that little is read
here from the syntax tree: assignments of literals, ``dict(...)``, names assigned before, ``**`` of such a dict,
arithmetic of numbers, ``_base_`` and ``_base_.name``. The outcome is the same :class:`Config` that running the file
would give.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS, Registry

from mmdet_vis import registry as own
from mmdet_vis.errors import ConfigError, option
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


BASE = "_base_"
MAX_VALUES = 100_000
"""Values of a config, counted as often as they are used: lists of lists of lists grow without bound in a few lines."""
MAX_NUMBER = 2**64
MAX_DEPTH = 100
"""Nesting of dicts and lists."""

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_SPREAD = object()
_SIGNS: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}
_CONSTRUCTS = {
    **dict.fromkeys((ast.Import, ast.ImportFrom), "an import"),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef), "a function"),
    **dict.fromkeys((ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp), "a comprehension"),
    **dict.fromkeys((ast.For, ast.While), "a loop"),
    ast.Attribute: "an attribute", ast.Subscript: "an index", ast.JoinedStr: "an f-string", ast.Lambda: "a lambda",
    ast.ClassDef: "a class", ast.If: "an if", ast.With: "a with", ast.Try: "a try", ast.IfExp: "an if expression",
    ast.Set: "a set", ast.Delete: "a del", ast.AugAssign: "an augmented assignment",
}  # fmt: skip


def refused(path: Path, line: int, what: str) -> ConfigError:
    """The error for something in a config that is no literal."""
    return ConfigError(
        f"config {path}, line {line}: {what} is refused, as only literals are read; write the value itself, or read a "
        f"config that you trust without {option('safe_config')}"
    )


def size_of(value: Any, depth: int = 0) -> int:
    """Number of values in a tree. RecursionError where it is too deep for what comes after."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return 1 + sum(size_of(item, depth + 1) for item in value.values())
    if isinstance(value, list | tuple):
        return 1 + sum(size_of(item, depth + 1) for item in value)
    return 1


class Literals:
    """The assignments of one Python file, in its order."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.values: dict[str, Any] = {}
        self._inherited: Mapping[str, Any] = {}
        self._size_of: dict[int, tuple[Any, int, int]] = {}
        """Number of values and depth of a container, by its id; the container is kept so that its id stays its own."""

        try:
            self._tree = ast.parse(text)
        except SyntaxError as error:
            raise ConfigError(f"config {path}, line {error.lineno}: {error.msg}") from None
        except ValueError as error:  # zero bytes
            raise ConfigError(f"config {path} cannot be read: {error}") from None

    def bases(self) -> Any:
        """What the file assigns to ``_base_``; an empty list if it has no bases."""
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == BASE:
                return self._value(node.value)
        return []

    def read(self, inherited: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name; those with two leading underscores are left out, as mmengine does.

        Args:
            inherited: values of the bases, which the file may use as ``_base_.name``.
        """
        self._inherited = inherited
        for statement in self._tree.body:
            self._statement(statement)
        return {name: value for name, value in self.values.items() if not name.startswith("__") and name != BASE}

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Pass):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return  # a docstring
        if not isinstance(node, ast.Assign):
            raise self._refuse(node)
        value = self._value(node.value)
        for target in node.targets:
            if not isinstance(target, ast.Name) or target.id == "dict":
                raise refused(self.path, node.lineno, "an assignment to anything but a name of its own")
            if target.id == "custom_imports":
                raise refused(self.path, node.lineno, "custom_imports, which runs code,")
            self.values[target.id] = value

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, str | bool | int | float):
                return self._number(node.value, node)
            raise refused(self.path, node.lineno, f"a {type(node.value).__name__}")
        if isinstance(node, ast.Name):
            if node.id not in self.values or node.id == BASE:
                raise refused(self.path, node.lineno, f"the name {node.id!r}, which is not assigned before,")
            return self.values[node.id]
        if isinstance(node, ast.Attribute):
            return self._of_base(node)
        if isinstance(node, ast.List | ast.Tuple):
            items = [self._value(item) for item in node.elts]
            return self._counted(items if isinstance(node, ast.List) else tuple(items), items, node)
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            return self._dict([(_SPREAD if key is None else self._key(key), value) for key, value in pairs], node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
            keywords = [(keyword.arg or _SPREAD, keyword.value) for keyword in node.keywords]
            return self._dict(keywords, node, once=True)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
            return _SIGNS[type(node.op)](self._operand(node.operand))
        raise self._refuse(node)

    def _of_base(self, node: ast.Attribute) -> Any:
        """The value of ``_base_.name``, or of ``_base_.name.key``."""
        names: list[str] = []
        part: ast.expr = node
        while isinstance(part, ast.Attribute):
            names.insert(0, part.attr)
            part = part.value
        if not isinstance(part, ast.Name) or part.id != BASE:
            raise self._refuse(node)
        value: Any = self._inherited
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                raise refused(self.path, node.lineno, f"{BASE}.{'.'.join(names)}, which no base has,")
            value = value[name]
        if isinstance(value, dict | list | tuple) and id(value) not in self._size_of:
            self._size_of[id(value)] = (value, size_of(value), 1)
        return value

    def _key(self, node: ast.expr) -> Any:
        key = self._value(node)
        if isinstance(key, dict | list | tuple):
            raise refused(self.path, node.lineno, "a key that is no string or number")
        return key

    def _dict(self, items: list[tuple[Any, ast.expr]], node: ast.expr, once: bool = False) -> dict[Any, Any]:
        """A dict from its keys and values, where ``_SPREAD`` stands for ``**``."""
        result: dict[Any, Any] = {}
        for key, value_node in items:
            value = self._value(value_node)
            if key is _SPREAD and not isinstance(value, dict):
                raise refused(self.path, value_node.lineno, "** of anything but a dict")
            part = value if key is _SPREAD else {key: value}
            if once and (double := result.keys() & part.keys()):
                raise refused(self.path, node.lineno, f"{min(map(str, double))!r}, given twice,")
            result |= part
        return self._counted(result, list(result.values()), node)

    def _counted(self, container: Any, items: list[Any], node: ast.expr) -> Any:
        sizes = [self._size_of.get(id(item), (item, 1, 0)) for item in items]
        total, depth = 1 + sum(size for _, size, _ in sizes), 1 + max((depth for _, _, depth in sizes), default=0)
        if total > MAX_VALUES or depth > MAX_DEPTH:
            raise ConfigError(
                f"config {self.path}, line {node.lineno}: more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            )
        self._size_of[id(container)] = (container, total, depth)
        return container

    def _operand(self, node: ast.expr) -> Any:
        value = self._value(node)
        if not isinstance(value, bool | int | float):
            raise refused(self.path, node.lineno, "arithmetic with anything but numbers")
        return value

    def _arithmetic(self, node: ast.BinOp) -> Any:
        left, right = self._operand(node.left), self._operand(node.right)
        try:
            return self._number(_ARITHMETIC[type(node.op)](left, right), node)
        except ArithmeticError as error:
            raise ConfigError(f"config {self.path}, line {node.lineno}: {error}") from None

    def _number(self, value: Any, node: ast.expr) -> Any:
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise refused(self.path, node.lineno, "a whole number of more than 64 bits")
        return value

    def _refuse(self, node: ast.AST) -> ConfigError:
        what = _CONSTRUCTS.get(type(node), f"{type(node).__name__} (Python)")
        if isinstance(node, ast.Call):
            what = f"a call of {ast.unparse(node.func):.40}(...)"
        return refused(self.path, getattr(node, "lineno", 0), what)
