"""Bars on the terminal while a run goes over its videos."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mmdet_vis.progress import bars
from mmdet_vis.run.job import Job

REFRESH_SECONDS = 2.0


class RunProgress:
    """A bar over the videos that a run has to do, of all its processes, which only the first process shows.

    Args:
        jobs: the videos; longer ones count for more, where lengths are known.
        done: gives the ids of those that are done; other processes' are known by their files only.
        shown: whether this process is the one that shows the bar.

    Attributes:
        bar: for bars of parts of the work, and lines above them.
    """

    def __init__(self, jobs: Sequence[Job], done: Callable[[], set[int]], shown: bool) -> None:
        self.bar = bars(shown=shown)
        self._loads = {job.id: job.frames or 1 for job in jobs}
        self._done = done
        self._shown = shown
        self._failed: set[int] = set()
        self._looked = 0.0
        self._finished = 0
        self._task = self.bar.add_task(f"videos 0/{len(jobs)}", total=sum(self._loads.values()))

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def part(self, job: Job, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a video of this process are done."""
        if self._shown:
            self.refresh()
            self.bar.update(self._task, completed=self._finished + self._loads[job.id] * done / max(total, 1))

    def finished(self, job: Job, failed: bool, line: str) -> None:
        """A video of this process is done, or cannot be done; ``line`` says so."""
        if failed:
            self._failed.add(job.id)
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
        finished = (self._done() | self._failed) & self._loads.keys()
        self._finished = sum(self._loads[key] for key in finished)
        description = f"videos {len(finished)}/{len(self._loads)}"
        self.bar.update(self._task, description=description, completed=self._finished)
