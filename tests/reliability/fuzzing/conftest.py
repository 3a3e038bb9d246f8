"""A process that reads damaged input, shared by the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.fuzzing.pool import Limits, Worker
from tests.reliability.fuzzing.templates import write_templates


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small valid files of every kind."""
    return write_templates(tmp_path_factory.mktemp("fuzz") / "templates")


@pytest.fixture(scope="session")
def worker(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A process with all readers."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with log.open("wb") as stream, Worker(templates, stream, Limits(seconds=60)) as process:
        yield process
