"""The page of the ablations: a table of figures and the verdicts on the paper's claims, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ablation_variants import CLAIMS, Figures, Variant, judge

METRICS = ("AP", "AP50", "AP75", "AR10")
SECTION = "## Where the error is"
"""Begins the last section of the page, which ``proposals.py`` writes."""


@dataclass(frozen=True)
class Facts:
    """What the figures were measured with: lines for the reader, the lowest score, the frames that were timed."""

    command: str
    config: str
    weights: str
    data: str
    machine: str
    score_thr: float
    frames: int
    timed: str = ""


def page(facts: Facts, rows: Sequence[Variant], figures: Mapping[str, Figures]) -> str:
    """The page; ``figures`` by the rows' ids: :data:`METRICS` in [0, 1], "sequences" per video, "seconds" in all."""
    head = ["part", "setting", *METRICS, "sequences per video", "seconds", "frames/s"]
    body = []
    for row in rows:
        one = figures[row.id]
        speed = [f"{one['sequences']:.1f}", f"{one['seconds']:.1f}", f"{facts.frames / one['seconds']:.2f}"]
        body.append([row.part, row.setting, *(percent(one[name]) for name in METRICS), *speed])
    names = {row.id: row.name for row in rows}
    return f"""# Ablations

What each part of Propose-Reduce is worth, and how it compares with simpler methods. Written by

    {facts.command}

- config: `{facts.config}`
- weights: {facts.weights}
- data: {facts.data}
- machine: {facts.machine}

Each row changes only what it names in the setting of the config. Metrics are in percent, by the YouTube-VIS protocol;
predictions from a score of {facts.score_thr:g} count in every row. The time is that of finding the
sequences{facts.timed}, reading of the frames included. Rows of equal
settings share one measurement. The baselines use the same network: one propagates what it detects on the first frame,
the other detects on every frame and links the detections of a category by the Hungarian method. Detection and scoring
run in float32 in every row.

## Results

{table(head, body, numbers_from=2)}

## Claims

A claim holds if the AP of the first setting is above that of the second; of two baselines the better one counts.

{table(["claim", "verdict", "AP"], [judge(claim, figures, names) for claim in CLAIMS])}
"""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int | None = None) -> str:
    """A Markdown table; columns from ``numbers_from`` on are numbers."""
    rule = ["---" if numbers_from is None or i < numbers_from else "---:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def percent(value: float) -> str:
    """A metric for people; -1 is "nothing to measure"."""
    return "-" if value < 0 else f"{100 * value:.2f}"


def shown(argument: str) -> str:
    """An argument as another user can give it: paths below the current folder are relative to it."""
    path = Path(argument)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else argument
