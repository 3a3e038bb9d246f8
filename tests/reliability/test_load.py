"""The load benchmark: what it calls growth, and a short run of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reliability import load
from tests.reliability.load import LineCounter, Sample, judge, long_stream, many_videos, plot, table
from tests.tiny import write_checkpoint, write_config


def samples(leak: float = 0.0, files: float = 0.0, slower: float = 0.0, number: int = 60) -> list[Sample]:
    """A run of 100 frames between samples, noisy, that needs 200 MB after a quarter in which it grows to that."""
    rng = random.Random(0)
    found, cpu = [], 0.0
    for i in range(1, number + 1):
        cpu += 1.0 + slower * i / number + rng.uniform(-0.05, 0.05)
        memory = 200e6 * min(1.0, 0.5 + 2 * i / number) + leak * 100 * i + rng.uniform(-2e6, 2e6)
        found.append(Sample(i * 5.0, cpu, 100 * i, int(memory), 20 + int(files * i) + rng.choice((0, 1)), 9))
    return found


def test_a_flat_run_passes_whatever_it_does_at_first() -> None:
    verdict = judge(samples())
    assert verdict.problems == ()
    assert (verdict.frames, verdict.threads, verdict.threads_growth) == (6000, 9, pytest.approx(0))
    assert verdict.speed == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leak": 4000.0}, "memory grew by 1"),
        ({"files": 0.1}, "open files grew by 4"),
        ({"slower": 0.5}, "frames per processor second fell by 2"),
    ],
)
def test_what_grows_is_named(changes: dict[str, float], words: str) -> None:
    (problem,) = judge(samples(**changes)).problems
    assert problem.startswith(words)


def test_too_few_samples_prove_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        judge(samples(number=8))


def test_lines_are_counted_as_they_come(tmp_path: Path) -> None:
    count = LineCounter(tmp_path / "a.jsonl")
    assert count() == 0
    (tmp_path / "a.jsonl").write_text("1\n2")
    assert count() == 1
    with open(tmp_path / "a.jsonl", "a") as file:
        file.write("2\n3\n")
    assert count() == 3


@pytest.mark.slow
def test_short_runs_are_measured(repository: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, repository)
    model = [str(config), str(write_checkpoint(config, tmp_path / "tiny.safetensors"))]
    runs = {
        "videos": many_videos(tmp_path, model, 40, 3, 20),
        "stream": long_stream(tmp_path, model, 400, 10, 20),
    }
    verdicts = {name: judge(found) for name, found in runs.items()}
    for name, verdict in verdicts.items():
        assert verdict.memory > 100 * 2**20, name
        assert verdict.files > 3, name
        assert verdict.threads >= 1, name
        assert not [p for p in verdict.problems if p.startswith(("open files", "threads"))], name
    assert "| videos |" in table(verdicts)
    plot(runs, tmp_path / "load.png")
    assert (tmp_path / "load.png").stat().st_size > 10_000


def test_growth_is_that_of_a_line() -> None:
    found = samples()
    assert load.growth(found, [float(s.frames) for s in found]) == pytest.approx(5900)
