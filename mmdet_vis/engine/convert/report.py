"""What became of every weight of a conversion, as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mmdet_vis.engine.convert.translation import Loss

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
