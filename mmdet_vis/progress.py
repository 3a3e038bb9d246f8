"""Progress bars, on stderr and only where that is a terminal: what a command prints can be piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")


def bars(*columns: ProgressColumn, shown: bool = True) -> Progress:
    """Bars for several tasks: description, bar, number and time left unless ``columns`` say otherwise.

    Lines printed to its ``console`` stay above the bars, and appear without a terminal, too; not ``shown`` is quiet.
    """
    if not columns:
        description = TextColumn("{task.description}", markup=False)
        columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=not shown)
    # Where nothing can move, bars that end would leave an empty line.
    disable = not (shown and console.is_interactive)
    return Progress(*columns, console=console, transient=not sys.stderr.isatty(), disable=disable)


def with_bar(items: Iterable[T], description: str, total: int | None = None, shown: bool = True) -> Iterator[T]:
    """The items, with a bar meanwhile if it is ``shown``; ``total`` is how many they are, if they have no length."""
    if not shown or not sys.stderr.isatty():
        yield from items
        return
    with bars() as bar:
        yield from bar.track(items, total, description=description)
