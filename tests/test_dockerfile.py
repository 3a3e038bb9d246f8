"""The Dockerfile by its text: what it copies is there, what it needs is copied, and it does not run as root."""

from __future__ import annotations

import fnmatch
import importlib
import re
import shlex
from pathlib import Path

import pytest

from mmdet_vis.commands.main import NAMES

ROOT = Path(__file__).resolve().parent.parent
INSTRUCTIONS = {"ARG", "FROM", "ENV", "RUN", "WORKDIR", "COPY", "LABEL", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) of the Dockerfile, with continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, rest in pairs]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def context() -> set[str]:
    """Files that .dockerignore lets into the build: the last rule that fits a path or a folder above it wins."""
    rules = [r for r in (ROOT / ".dockerignore").read_text().splitlines() if r and not r.startswith("#")]
    files = [
        path.relative_to(ROOT)
        for pattern in ("*", "*/*", "mmdet_vis/**/*", "configs/**/*")
        for path in ROOT.glob(pattern)
    ]
    kept = set()
    for file in files:
        ignored = False
        for rule in rules:
            pattern = rule.lstrip("!").removeprefix("**/")
            parts = [str(part) for part in (*file.parents, file) if part != Path()]
            names = [Path(p).name for p in parts] if "**/" in rule else parts
            depth = pattern.count("/")
            if any(fnmatch.fnmatchcase(n, pattern) for n in names if "**/" in rule or n.count("/") == depth):
                ignored = not rule.startswith("!")
        if not ignored and (ROOT / file).is_file():
            kept.add(file.as_posix())
    return kept


def test_instructions_are_known_and_in_order():
    words = [word for word, _ in instructions()]
    assert set(words) <= INSTRUCTIONS
    assert words[:2] == ["ARG", "FROM"]
    assert words.count("ENTRYPOINT") == words.count("CMD") == 1


def test_build_arguments_are_declared_where_they_are_used():
    outside = {rest.partition("=")[0] for word, rest in instructions()[:1] if word == "ARG"}
    for stage in stages():
        declared = {rest.partition("=")[0] for word, rest in stage if word == "ARG"}
        declared |= {pair.partition("=")[0] for word, rest in stage if word == "ENV" for pair in shlex.split(rest)}
        used = set()
        for word, rest in stage:
            names = set(re.findall(r"\$\{?(\w+)", rest)) - {"PATH"}
            used |= names - outside if word == "FROM" else names
        assert used <= declared
    documented = set(re.findall(r"--build-arg (\w+)=", (ROOT / "docs" / "docker.md").read_text()))
    assert documented == {"TORCH_INDEX", "PYTHON_VERSION"}
    assert documented == {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}


def test_the_python_is_supported_and_pinned():
    assert ("ARG", "PYTHON_VERSION=3.12") in instructions()
    assert [rest.split()[0] for word, rest in instructions() if word == "FROM"] == ["python:${PYTHON_VERSION}-slim"] * 2


def test_torch_comes_first_and_as_pyproject_asks():
    runs = [rest for word, rest in stages()[0] if word == "RUN"]
    torch, package = (next(i for i, run in enumerate(runs) if words in run) for words in ('"torch>=', '".[web]"'))
    assert torch < package
    dependencies = (ROOT / "pyproject.toml").read_text()
    for requirement in re.findall(r'"(torch\w*>=[\d.]+)"', runs[torch]):
        assert f'"{requirement}"' in dependencies
    steps = [word for word, _ in stages()[0]]
    assert steps.index("COPY") > steps.index("RUN")  # a change of the sources does not fetch torch anew


def test_the_image_is_small_and_not_roots():
    last = stages()[-1]
    assert [rest for word, rest in last if word == "COPY"] == ["--from=build /opt/venv /opt/venv"]
    words = [word for word, _ in last]
    user = dict(last)["USER"]
    assert user not in ("root", "0")
    assert any(f" {user} " in f"{rest} " for word, rest in last[: words.index("USER")] if word == "RUN")
    assert "RUN" not in words[words.index("USER") :]
    # A user without a home of its own has its caches there: of this program, torch and huggingface_hub.
    folder = re.search(r"XDG_CACHE_HOME=(\S+)", "".join(rest for word, rest in last if word == "ENV"))
    assert folder
    assert any(f"mkdir -m 1777 {folder[1]}" in rest for word, rest in last if word == "RUN")
    assert dict(last)["ENTRYPOINT"] == '["mmdet-vis"]'
    assert "mmdet-vis = " in (ROOT / "pyproject.toml").read_text()


def test_what_the_package_is_built_from_is_in_the_context():
    files = context()
    needed = {"pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "scripts/site_pages.py"}
    needed |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("mmdet_vis/**/*.py")}
    needed |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/**/*.py")}
    assert needed <= files
    assert not {name.split("/")[0] for name in files} & {"tests", "data", "docs", ".git", ".venv", "demo", "benchmarks"}
    assert all(name.endswith("_stills.safetensors") for name in files if name.startswith("pretrained/"))
    assert not [name for name in files if "__pycache__" in name]


@pytest.mark.parametrize(
    "line", re.findall(r"^    (docker run .*)$", (ROOT / "docs/docker.md").read_text(), re.MULTILINE)
)
def test_documented_runs_name_commands(line):
    words = shlex.split(line)
    assert "--rm" in words
    name, *rest = words[words.index("mmdet_vis") + 1 :]
    assert name in NAMES
    command = importlib.import_module(f"mmdet_vis.commands.{name.replace('-', '_')}")
    command.build_parser().parse_intermixed_args(rest)  # leaves the test where it cannot be parsed
