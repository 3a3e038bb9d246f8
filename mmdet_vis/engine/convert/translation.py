"""What every format's translation works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

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
