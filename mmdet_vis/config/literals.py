"""The values of a config that is Python, taken from its syntax tree: literals, and nothing that runs."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmdet_vis.errors import ConfigError, option

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
