"""Damaged input for every reader: a result or one clear error, from a process whose crash would be seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.reliability.fuzzing.pool import Worker
from tests.reliability.fuzzing.readers import READERS

COUNTS = {
    "config": 15,
    "model file": 10,
    "davis": 15,
    "annotations": 20,
    "coco": 20,
    "mask folders": 15,
    "text formats": 25,
    "graphs": 15,
    "training log": 20,
}
COUNT = 25


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_gives_a_result_or_one_clear_error(worker: Worker, tmp_path: Path, name: str) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(COUNTS.get(name, COUNT)):
        folder = tmp_path / f"input{seed}"
        folder.mkdir()
        outcome = worker.run(name, folder, seed)
        assert outcome.outcome in ("result", "error"), f"{name} {seed} ({outcome.kind}): {outcome.message}"
        outcomes[outcome.outcome] += 1
    assert outcomes["error"] > 0  # the inputs are damaged indeed


@pytest.mark.parametrize("name", ["image", "config", "model file"])
def test_the_same_number_makes_the_same_input(templates: Path, tmp_path: Path, name: str) -> None:
    import random

    contents = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for seed in range(5):
            folder = tmp_path / place / str(seed)
            folder.mkdir()
            kind = READERS[name].make(random.Random(f"{name} {seed}"), folder, templates)
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
            # A model file names the marker that code in it would make, which is in its folder.
            contents.append((place, seed, kind, {k: v.replace(str(folder).encode(), b"") for k, v in files.items()}))
    assert [c[1:] for c in contents if c[0] == "a"] == [c[1:] for c in contents if c[0] == "b"]
