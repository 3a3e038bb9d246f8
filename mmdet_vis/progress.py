"""Progress bars, on stderr and only where that is a terminal: what a command prints can be piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")

REFRESH_SECONDS = 2.0


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


class RunProgress:
    """A bar over the videos that a run has to do, of all its processes, which only the first process shows.

    Args:
        loads: how much each video counts, by its id.
        done: gives the ids of those that are done; other processes' are known by their files only.
        shown: whether this process is the one that shows the bar.

    Attributes:
        bar: for bars of parts of the work, and lines above them; shown in its ``with`` block.
    """

    def __init__(self, loads: Mapping[int, int], done: Callable[[], set[int]] = set, shown: bool = False) -> None:
        self.bar = bars(shown=shown)
        self._loads = loads
        self._done, self._shown = done, shown
        self._failed: set[int] = set()
        self._looked, self._finished = -float("inf"), 0
        self._task = self.bar.add_task(f"videos 0/{len(loads)}", total=sum(self._loads.values()))

    def part(self, video: int, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a video of this process are done."""
        if self._shown:
            self.refresh()
            self.bar.update(self._task, completed=self._finished + self._loads[video] * done / max(total, 1))

    def finished(self, video: int, failed: bool, line: str) -> None:
        """A video of this process is done, or cannot be done; ``line`` says so."""
        if failed:
            self._failed.add(video)
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._looked = -float("inf")
        self.refresh()

    def wait(self, seconds: float) -> None:
        """Sleep, and show what other processes do meanwhile."""
        time.sleep(seconds)
        self.refresh()

    def refresh(self) -> None:
        """Count the finished videos again, at most every few seconds."""
        if not self._shown or time.monotonic() - self._looked < REFRESH_SECONDS:
            return
        self._looked = time.monotonic()
        finished = (self._done() | self._failed) & self._loads.keys()
        self._finished = sum(self._loads[key] for key in finished)
        description = f"videos {len(finished)}/{len(self._loads)}"
        self.bar.update(self._task, description=description, completed=self._finished)
