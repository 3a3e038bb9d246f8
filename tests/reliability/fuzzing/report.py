"""Counts of what came of damaged inputs, as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.reliability.fuzzing.pool import Outcome


@dataclass
class Row:
    """What came of the inputs of one reader; ``seconds`` and ``peak`` are of the worst input."""

    reader: str
    cases: int = 0
    results: int = 0
    errors: int = 0
    failures: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Count an input."""
        self.cases += 1
        self.results += outcome.outcome == "result"
        self.errors += outcome.outcome == "error"
        self.failures += outcome.outcome == "failure"
        self.seconds = max(self.seconds, outcome.seconds)
        self.cpu = max(self.cpu, outcome.cpu)
        self.peak = max(self.peak, outcome.peak)
        self.kinds[outcome.kind] += 1


class Table:
    """Rows by reader."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, outcome: Outcome) -> None:
        """Count an input."""
        self.rows.setdefault(outcome.reader, Row(outcome.reader)).add(outcome)

    def total(self) -> Row:
        """All rows as one."""
        total = Row("all")
        for row in self.rows.values():
            for name in ("cases", "results", "errors", "failures"):
                setattr(total, name, getattr(total, name) + getattr(row, name))
            for name in ("seconds", "cpu", "peak"):
                setattr(total, name, max(getattr(total, name), getattr(row, name)))
        return total

    def markdown(self) -> str:
        """A table for people."""
        lines = [
            "| reader | inputs | kinds | results | clear errors | failures | slowest, CPU s | most memory, MiB |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        kinds = sum(len(row.kinds) for row in self.rows.values())
        for row, number in [*((r, len(r.kinds)) for r in self.rows.values()), (self.total(), kinds)]:
            cells = [
                row.cases,
                number,
                row.results,
                row.errors,
                row.failures,
                f"{row.cpu:.1f}",
                f"{row.peak / 2**20:.0f}",
            ]
            lines.append(f"| {row.reader} | {' | '.join(map(str, cells))} |")
        return "\n".join(lines)

    def to_json(self) -> list[dict[str, Any]]:
        """The rows with their kinds of input."""
        return [{**asdict(row), "kinds": dict(row.kinds)} for row in self.rows.values()]
