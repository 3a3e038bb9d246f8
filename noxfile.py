"""The steps of CI on every Python that is supported: ``nox -l`` lists them, ``nox -s tests-3.11`` runs one."""

from __future__ import annotations

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13")

nox.options.sessions = ["tests", "lint", "types", "docs"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The fast tests, or what follows ``--``: ``nox -s tests-3.12 -- tests/data -k folder``."""
    session.install("-e", ".[dev]")
    # One thread in each worker: more would compete for the same cores.
    fast = ["-m", "not slow", "-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
    session.run("python", "-m", "pytest", *(session.posargs or fast), env={"OMP_NUM_THREADS": "1"})


@nox.session
def lint(session: nox.Session) -> None:
    """The linter, and the format."""
    session.install("ruff>=0.8")
    session.run("python", "-m", "ruff", "check", ".")
    session.run("python", "-m", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Links, and the site."""
    session.install("-e", ".[docs]", "markdown-it-py>=3")
    session.run("python", "scripts/check_links.py")
    session.run("python", "-m", "mkdocs", "build", "--strict")


@nox.session
def everything(session: nox.Session) -> None:
    """All that CI runs, in the way it does: in a fresh environment, with the wheel."""
    session.run("bash", ".ci/run", external=True)
