"""The fuzzer sees what must not happen: crashes, hangs, memory, tracebacks, errors that help nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.fuzzing.pool import Limits, Outcome, Worker
from tests.reliability.fuzzing.report import Table


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    log = tmp_path_factory.mktemp("faulty") / "log"
    limits = Limits(seconds=3, memory=100 * 2**20)
    with (
        log.open("wb") as stream,
        Worker(log.parent, stream, limits, f"{__package__}.faulty_readers") as process,
    ):
        yield process


EXPECTED = {
    "good": ("result", "^$"),
    "error": ("error", "is no good; replace it"),
    "vague": ("failure", "message that names no file: SourceError: bad input"),
    "traceback": ("failure", r"Traceback(.|\n)*KeyError: 'x'"),
    "exits": ("failure", "SystemExit"),
    "crash": ("failure", "the interpreter crashed: SIGSEGV"),
    "vanish": ("failure", "the interpreter crashed: exit code 0"),
    "hang": ("failure", "no end after [34] s"),
    "memory": ("failure", r"[2-4]\d\d MiB of memory"),
    "endless memory": ("failure", "out of memory"),
    "broken corpus": ("failure", r"Traceback(.|\n)*ValueError: no input"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_seen(faulty: Worker, tmp_path: Path, name: str) -> None:
    kind, message = EXPECTED[name]
    outcome = faulty.run(name, tmp_path, 1)
    assert outcome.outcome == kind
    assert re.search(message, outcome.message)
    # Whatever happened, the next input is read.
    assert faulty.run("good", tmp_path, 2).outcome == "result"


def test_the_table_counts() -> None:
    table = Table()
    table.add(Outcome("image", "png", "result", "", 1.0, 0.5, 3 * 2**20))
    table.add(Outcome("image", "jpeg", "error", "x", 0.1, 0.1, 2**20))
    table.add(Outcome("rle", "runs", "failure", "x", 2.0, 2.0, 0))
    assert table.markdown().splitlines()[2:] == [
        "| image | 2 | 2 | 1 | 1 | 0 | 0.5 | 3 |",
        "| rle | 1 | 1 | 0 | 0 | 1 | 2.0 | 0 |",
        "| all | 3 | 3 | 1 | 1 | 1 | 2.0 | 3 |",
    ]
    assert table.to_json()[0]["kinds"] == {"png": 1, "jpeg": 1}
