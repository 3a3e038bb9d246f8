"""Progress of a run over a dataset: one bar for its videos and one for their frames."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_SECONDS = 2.0


class DatasetProgress:
    """Bars over the videos that a run has to do, of all its processes; only the first process shows them.

    Args:
        frames: frames of each video to do, by id.
        done: gives the ids of the finished videos; those of other processes are known by their files only.
        shown: whether this process is the one that shows the bars.
    """

    def __init__(self, frames: Mapping[int, int], done: Callable[[], set[int]], shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True, quiet=not shown)
        self.bar = Progress(*columns, console=console, transient=not sys.stderr.isatty(), disable=not shown)
        self._frames = frames
        self._done = done
        self._shown = shown
        self._failed: set[int] = set()
        self._looked = 0.0
        self._videos = self.bar.add_task("videos", total=len(frames))
        self._swept = self.bar.add_task("frames", total=sum(frames.values()))
        self._finished_frames = 0.0

    def __enter__(self) -> DatasetProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def part(self, video_id: int, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a video of this process are done."""
        if self._shown:
            self.refresh()
            share = self._frames[video_id] * done / max(total, 1)
            self.bar.update(self._swept, completed=int(self._finished_frames + share))

    def video_finished(self, video_id: int, failed: bool, line: str) -> None:
        """A video of this process is done, or cannot be done; ``line`` says so."""
        if failed:
            self._failed.add(video_id)
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self.refresh(now=True)

    def wait(self, seconds: float) -> None:
        """Sleep, and show what other processes do meanwhile."""
        time.sleep(seconds)
        self.refresh()

    def refresh(self, now: bool = False) -> None:
        """Count the finished videos again, at most every few seconds unless ``now``."""
        if not self._shown or (not now and time.monotonic() - self._looked < REFRESH_SECONDS):
            return
        self._looked = time.monotonic()
        finished = (self._done() | self._failed) & self._frames.keys()
        self._finished_frames = sum(self._frames[video_id] for video_id in finished)
        self.bar.update(self._videos, completed=len(finished))
        self.bar.update(self._swept, completed=self._finished_frames)
