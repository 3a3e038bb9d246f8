"""What every format's translation works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

COLUMNS = ("part", "used", "dropped", "left at random")
OTHER = "(elsewhere)"


@dataclass
class Report:
    """Names of weights by what became of them.

    Attributes:
        used: name in ours and in the source.
        dropped: name in the source and why it was left out.
        random: names in the model that nothing was found for; only known when the target is a model of ours.
        notes: what else to know, one sentence each.
    """

    used: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, Loss] = field(default_factory=dict)
    random: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = self._table()
        for reason in dict.fromkeys(loss.reason for loss in self.dropped.values()):
            names = [name for name, loss in self.dropped.items() if loss.reason == reason]
            lines += ["", f"dropped ({reason}): {len(names)}", *_grouped(names)]
        if self.random:
            lines += ["", f"left at random: {len(self.random)}", *_grouped(self.random)]
        lines += [f"{'' if i else chr(10)}note: {note}" for i, note in enumerate(self.notes)]
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """One row per part of the target: counts of used, dropped and missing weights."""
        counts: dict[str, list[int]] = {}
        lost = [loss.ours for loss in self.dropped.values()]
        for column, names in enumerate((self.used, lost, self.random)):
            for name in names:
                counts.setdefault(name.partition(".")[0] or OTHER, [0, 0, 0])[column] += 1
        if OTHER in counts:
            counts[OTHER] = counts.pop(OTHER)  # the last row
        rows = [(part, *map(str, row)) for part, row in counts.items()]
        rows.append(("total", *map(str, (len(self.used), len(self.dropped), len(self.random)))))
        width = max(len(row[0]) for row in rows)
        return [
            "  ".join((row[0].ljust(width), *(c.rjust(len(t)) for c, t in zip(row[1:], COLUMNS[1:], strict=True))))
            for row in (COLUMNS, *rows)
        ]


def _grouped(names: Iterable[str]) -> list[str]:
    """A line for each layer, with its weights."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layer, _, weight = name.rpartition(".")
        layers.setdefault(layer, []).append(weight)
    return [f"  {layer}{': ' if layer else ''}{', '.join(weights)}" for layer, weights in layers.items()]


State = Mapping[str, Tensor]
Pairs = tuple[tuple[str, str], ...]
"""Beginnings of names that say the same: (in another format, in ours)."""


class Loss(NamedTuple):
    """Why a weight was left out, and its name in ours if it has one."""

    reason: str
    ours: str = ""


@dataclass
class Translation:
    """Weights under their names in another format.

    Attributes:
        weights: new name and value.
        origins: new name and the name in the source.
        dropped: name in the source and why it was left out.
        notes: what a user should know about these weights, one sentence each.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, Loss] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def drop(self, name: str, reason: str) -> None:
        """Leave out a weight by its new name."""
        del self.weights[name]
        self.dropped[self.origins.pop(name)] = Loss(reason, name)


@dataclass(frozen=True)
class Options:
    """What a translation may depend on.

    Attributes:
        expected: names and shapes of the model of ours, empty when weights leave it.
        standard_anchors: whether that model has the anchors of the published detectors.
        norm_eps: epsilon of the batch normalisation of the other format; None for its default.
    """

    expected: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    standard_anchors: bool = True
    norm_eps: float | None = None


def translate(state: State, names: Mapping[str, str], reason: str = "no counterpart") -> Translation:
    """Give weights new names; those without one are dropped for ``reason``."""
    result = Translation()
    for name, value in state.items():
        if name in names:
            result.weights[names[name]] = value
            result.origins[names[name]] = name
        else:
            result.dropped[name] = Loss(reason)
    return result


def stages(widths: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Stage, and index within it, of each block by the channels that it gives: a stage begins where these change."""
    places: dict[int, tuple[int, int]] = {}
    stage, index, before = -1, 0, -1
    for number, width in enumerate(widths):
        stage, index = (stage, index + 1) if width == before else (stage + 1, 0)
        before = width
        places[number] = (stage, index)
    return places


def by_beginning(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """New names after the first of ``pairs`` (old beginning, new beginning) that fits; names that none fits are out."""
    pairs = tuple(pairs)
    found = {}
    for name in names:
        for old, new in pairs:
            if name.startswith(old):
                found[name] = new + name[len(old) :]
                break
    return found


def backwards(pairs: Pairs) -> Pairs:
    """The same pairs for the other direction."""
    return tuple((ours, theirs) for theirs, ours in pairs)
