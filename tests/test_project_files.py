"""Files about the project: they name what is there, and the README reads well where no repository is beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from mmdet_vis.version import __version__
from scripts.check_links import links_of
from scripts.site_pages import index_links

ROOT = Path(__file__).resolve().parent.parent


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# The README in an index of packages.


def test_without_a_public_address_no_link_is_relative():
    shown = index_links(text_of("README.md"), None)
    links, undefined = links_of(shown)
    assert not undefined
    assert links
    assert [link for link in links if not link.target.startswith("https://")] == []
    assert "published numbers" in shown


def test_with_a_public_address_every_link_leads_to_a_file():
    source = "https://example.org/group/mmdet_vis"
    before, _ = links_of(text_of("README.md"))
    after, _ = links_of(index_links(text_of("README.md"), source + "/"))
    assert len(after) == len(before)
    own = [link for link in after if link.target.startswith(source)]
    assert len(own) > 20
    for link in own:
        kind, branch, path = link.target.removeprefix(f"{source}/").split("/", 2)
        assert (kind, branch) == ("raw" if link.image else "blob", "main")
        assert (ROOT / path.partition("#")[0]).exists(), link


def test_code_is_left_as_it_is():
    text = "`[a](b)` [c](d.md#e) [f](#g)\n```\n[h](i)\n```\n"
    assert index_links(text, "https://x.org/p") == (
        "`[a](b)` [c](https://x.org/p/blob/main/d.md#e) [f](https://x.org/p/blob/main/README.md#g)\n```\n[h](i)\n```\n"
    )


def test_the_metadata_has_that_readme(tmp_path):
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "scripts/site_pages.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text_of(name))
    for folder in ("mmdet_vis", "out"):
        (tmp_path / folder).mkdir()
    for name in ("__init__.py", "version.py"):
        (tmp_path / "mmdet_vis" / name).write_text(text_of(f"mmdet_vis/{name}"))
    code = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('out')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (metadata,) = tmp_path.glob("out/*.dist-info/METADATA")
    head, _, body = metadata.read_text(encoding="utf-8").partition("\n\n")
    assert "Description-Content-Type: text/markdown" in head
    assert f"Version: {__version__}" in head
    assert body.strip() == index_links(text_of("README.md"), None).strip()


def test_nobody_is_sent_to_an_index_for_this_project():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("mmdet_vis/**/*.py"), *ROOT.glob("tools/*.py")]
    wrong = re.compile(r"pip install '?mmdet[_-]vis")
    assert [str(page) for page in pages if wrong.search(page.read_text(encoding="utf-8"))] == []


# Citation and changelog.


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    for key in ("message", "title", "authors", "license"):
        assert citation[key]
    paper = citation["preferred-citation"]
    assert [f"{a['given-names']} {a['family-names']}" for a in paper["authors"]] == [
        "Huaijia Lin", "Ruizheng Wu", "Shu Liu", "Jiangbo Lu", "Jiaya Jia",
    ]  # fmt: skip
    assert (paper["title"], paper["year"]) == ("Video Instance Segmentation with a Propose-Reduce Paradigm", 2021)
    assert paper["url"].endswith("/2103.13746")


def test_the_changelog_keeps_its_form():
    lines = text_of("CHANGELOG.md").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    assert f"## [{__version__}]" in versions
    kinds = {line[4:] for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_contributing_names_the_steps_of_ci():
    page, ci = text_of("CONTRIBUTING.md"), text_of(".ci/run")
    for step in ("sh test.sh", "ruff check", "ruff format", "mypy", "scripts/check_links.py", "mkdocs"):
        assert step in page
        assert step in ci
    for name in re.findall(r"`((?:tests|scripts)/[\w/]+\.py)`", page):
        if name != "tests/data/test_x.py":
            assert (ROOT / name).is_file(), name


# nox.


class Session:
    """Takes down what a session of nox would run."""

    def __init__(self) -> None:
        self.posargs: list[str] = []
        self.commands: list[tuple[str, ...]] = []

    def install(self, *packages: str) -> None:
        self.commands.append(("pip", "install", *packages))

    def run(self, *command: str, **options: Any) -> None:
        self.commands.append(command)


@pytest.fixture
def sessions(monkeypatch):
    """The functions of noxfile.py by name; nox itself is not needed."""
    found = {}

    def session(function=None, *, python=None):
        def keep(function):
            found[function.__name__] = SimpleNamespace(function=function, python=python)
            return function

        return keep(function) if function else keep

    nox = SimpleNamespace(session=session, Session=Session, options=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "nox", nox)
    exec(compile(text_of("noxfile.py"), "noxfile.py", "exec"), {"__name__": "noxfile"})
    assert set(nox.options.sessions) <= set(found)
    return found


def test_nox_runs_every_supported_python(sessions):
    assert sessions["tests"].python == ("3.10", "3.11", "3.12", "3.13")
    assert 'requires-python = ">=3.10"' in text_of("pyproject.toml")


def test_nox_runs_what_is_there(sessions):
    extras = set(re.findall(r"^(\w+) = \[", text_of("pyproject.toml"), re.MULTILINE))
    for name, session in sessions.items():
        taken = Session()
        session.function(taken)
        assert taken.commands, name
        for command in taken.commands:
            for word in command:
                if re.fullmatch(r"[\w./]+\.py|\.ci/run", word):
                    assert (ROOT / word).is_file(), word
                if match := re.fullmatch(r"\.\[(\w+)\]", word):
                    assert match[1] in extras
    asked = Session()
    asked.posargs = ["tests/ops"]
    sessions["tests"].function(asked)
    assert asked.commands[-1] == ("python", "-m", "pytest", "tests/ops")
