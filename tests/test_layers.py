"""The layers of the package: every import points down, nothing goes in a circle, tests and benchmarks stay apart."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "mmdet_vis"
LAYERS = (
    "signals version choices",
    "errors",
    "checks",
    "structures",
    "files ops progress registry",
    "visualization models",
    "device",
    "data losses",
    "corrections evaluation propose_reduce result",
    "baselines",
    "config",
    "weights vis_model",
    "proposers show",
    "session",
    "api",
    "run",
    "webui streaming training",
    "batch",
    "commands",
)
"""From the ground up. What stands side by side does not import each other."""
DATA_LAYERS = (
    "categories preprocess sources",
    "formats",
    "datasets",
    "clips",
    "synthvis",
    "converters",
    "check",
)
"""Within ``data``."""


def modules_of(root: Path, package: str) -> dict[str, Path]:
    """Files by the name of the module; but for ``__main__.py``: those are doors to ``commands``, wherever they are."""
    names = {}
    for path in sorted((root / package).rglob("*.py")):
        if path.stem == "__main__":
            continue
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports_of(module: str, path: Path) -> Iterator[str]:
    """Full names of all that a file imports, also within functions and for type checking only."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def graph_of(root: Path, package: str = PACKAGE) -> dict[str, set[str]]:
    """The modules of a package that each of its modules imports; a name that is no module counts as its module."""
    modules = modules_of(root, package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports_of(module, path):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name and name != module:
                graph[module].add(name)
    return graph


def part_of(module: str, package: str) -> str:
    """The part of a package that a module belongs to: ``data`` of ``mmdet_vis.data.formats.ytvis``; else nothing."""
    return module[len(package) + 1 :].partition(".")[0] if module.startswith(f"{package}.") else ""


def upward(graph: Mapping[str, Collection[str]], package: str, layers: Collection[str]) -> list[str]:
    """Imports that point up or sideways in a table of layers, and parts that the table lacks."""
    level = {part: height for height, row in enumerate(layers) for part in row.split()}
    wrong = set()
    for module, imported in graph.items():
        own = part_of(module, package)
        if own and own not in level:
            wrong.add(f"{own} is in no layer")
        elif own:
            others = {name: part_of(name, package) for name in imported}
            above = {name for name, part in others.items() if part and part != own}
            wrong |= {f"{module} imports {name}" for name in above if level.get(others[name], -1) >= level[own]}
    return sorted(wrong)


def siblings(graph: Mapping[str, Collection[str]], package: str) -> dict[str, set[str]]:
    """The same graph between the parts of one package, its modules and its packages."""
    found: dict[str, set[str]] = {}
    for module, imported in graph.items():
        own = part_of(module, package)
        if own:
            found.setdefault(own, set()).update({part_of(name, package) for name in imported} - {own, ""})
    return found


def circle(graph: Mapping[str, Collection[str]]) -> list[str]:
    """The modules of a circle; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph(repository: Path) -> dict[str, set[str]]:
    # ``python -m`` is a door to a command, as tools/*.py are: it stands outside, and nothing imports it.
    return {name: found for name, found in graph_of(repository).items() if not name.endswith(".__main__")}


def test_no_import_points_up(graph: dict[str, set[str]]) -> None:
    assert upward(graph, PACKAGE, LAYERS) == []


def test_no_import_points_up_within_data(graph: dict[str, set[str]]) -> None:
    assert upward(graph, f"{PACKAGE}.data", DATA_LAYERS) == []


def test_nothing_within_the_package_waits_at_its_front_door(graph: dict[str, set[str]]) -> None:
    # ``from mmdet_vis import x`` would close a circle through api.py that the table cannot see.
    assert [module for module, imported in graph.items() if PACKAGE in imported] == []


def test_no_circle_between_modules(graph: dict[str, set[str]]) -> None:
    assert circle(graph) == []


def test_no_circle_between_packages(graph: dict[str, set[str]], repository: Path) -> None:
    packages = {name for name, path in modules_of(repository, PACKAGE).items() if path.name == "__init__.py"}
    assert {name: found for name in packages if (found := circle(siblings(graph, name)))} == {}


def test_every_part_of_the_tables_exists(graph: dict[str, set[str]]) -> None:
    coming = {"batch"}
    assert {part for row in LAYERS for part in row.split()} - coming <= {part_of(name, PACKAGE) for name in graph}


def test_faults_are_seen(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "low/__init__.py": "",
        "low/a.py": "def f():\n    from mmdet_vis.high import b\n",
        "high/__init__.py": "",
        "high/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..low.a import f\n",
        "other.py": "import mmdet_vis.high.b\n",
    }
    for name, text in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    graph = graph_of(tmp_path)
    assert upward(graph, PACKAGE, ("low", "high")) == [
        "mmdet_vis.low.a imports mmdet_vis.high.b",
        "other is in no layer",
    ]
    assert set(circle(graph)) == {"mmdet_vis.low.a", "mmdet_vis.high.b"}
    assert set(circle(siblings(graph, PACKAGE))) == {"low", "high"}


@pytest.mark.parametrize(("folder", "others"), [("tests", {"benchmarks"}), ("benchmarks", {"tests"})])
def test_tests_and_benchmarks_do_not_import_each_other(repository: Path, folder: str, others: set[str]) -> None:
    found = {
        f"{module} imports {name}"
        for module, path in modules_of(repository, folder).items()
        if any(other in path.read_text(encoding="utf-8") for other in others)  # parsing them all takes seconds
        for name in imports_of(module, path)
        if name.partition(".")[0] in others
    }
    assert sorted(found) == []
