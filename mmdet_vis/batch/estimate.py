"""How long a batch takes: from a sample, or from times that were measured, in the order in which it is done."""

from __future__ import annotations

import heapq
import logging
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import DONE, PART, SegmentVideo, WorkerPlan
from mmdet_vis.errors import SourceError, counted
from mmdet_vis.progress import with_bar

_LOGGER = logging.getLogger(__name__)
SAMPLE = 5


@dataclass(frozen=True)
class Cost:
    """What a task takes: ``per_task + per_frame * frames``, in seconds; and what a worker takes to start."""

    per_frame: float
    per_task: float = 0.0
    start: float = 0.0

    def of(self, frames: int) -> float:
        """Seconds of a task of so many frames."""
        return self.per_task + self.per_frame * frames


def fit(frames: Sequence[int], seconds: Sequence[float], start: float = 0.0) -> Cost:
    """The cost that explains measured tasks best (least squares); neither part is negative."""
    x, y = np.asarray(frames, float), np.asarray(seconds, float)
    if len(set(frames)) > 1:
        per_frame, per_task = np.polyfit(x, y, 1)
        if per_frame > 0 and per_task >= 0:
            return Cost(float(per_frame), float(per_task), start)
        if per_frame <= 0:
            return Cost(0.0, float(y.mean()), start)
    return Cost(float(y.sum() / max(x.sum(), 1)), 0.0, start)


def makespan(
    seconds: Iterable[float], workers: int, start: float = 0.0, slow: Sequence[float] = (), hand_out: float = 0.0
) -> float:
    """How long it takes until the last worker is done, if each takes the next task as soon as it is free.

    Args:
        seconds: of each task, in the order in which they are handed out.
        workers: at least 1.
        start: seconds after which a worker takes its first task.
        slow: how many times as long each of the first workers takes for everything; the others take 1.
        hand_out: seconds that one driver, which feeds all of them, has to spend on a task before it can hand it out.
    """
    pace = [*slow[:workers], *([1.0] * max(workers - len(slow), 0))]
    free = [(start * pace[number], number) for number in range(workers)]
    heapq.heapify(free)
    end = driver = 0.0
    for each in seconds:
        at, number = free[0]
        at = driver = max(at, driver + hand_out)
        at += each * pace[number]
        end = max(end, at)
        heapq.heapreplace(free, (at, number))
    return end


def sample_of(tasks: Sequence[Task]) -> list[Task]:
    """Some tasks from the longest to the shortest, evenly spread."""
    places = np.unique(np.linspace(0, len(tasks) - 1, min(SAMPLE, len(tasks))).round().astype(int))
    return [tasks[place] for place in places]


def measure(plan: WorkerPlan, tasks: Sequence[Task]) -> Cost:
    """What tasks cost here, from doing a sample of them in this process; their results are thrown away.

    Raises:
        SourceError: not one of the sample can be segmented.
    """
    with tempfile.TemporaryDirectory(prefix="mmdet_vis-") as folder:
        before = time.perf_counter()
        worker = SegmentVideo(replace(plan, out=folder))
        start = time.perf_counter() - before
        rows = [worker(task.row()) for task in with_bar(sample_of(tasks), "sample")]
        worker.close()
    good = [row for row in rows if row["status"] in (DONE, PART) and row["frames"]]
    for row in rows:
        if row not in good:
            _LOGGER.warning("%s of the sample cannot be segmented: %s", row["id"], row["error"])
    if not good:
        raise SourceError("no video of the sample can be segmented: there is nothing to estimate from")
    return fit([row["frames"] for row in good], [row["seconds"] for row in good], start)


def describe_estimate(tasks: Sequence[Task], cost: Cost, workers: int, device: str) -> str:
    """What a dry run says."""
    if not tasks:
        return "to do: nothing"
    frames = [task.frames or 1 for task in tasks]
    seconds = [cost.of(number) for number in frames]
    longest = makespan(seconds, max(workers, 1), cost.start)
    return "\n".join(
        (
            f"to do: {counted(len({task.id for task in tasks}), 'video')} in {counted(len(tasks), 'task')}, "
            f"{counted(sum(frames), 'frame')}",
            f"a sample on {device}: {cost.per_frame:.4g} s a frame and {cost.per_task:.4g} s a task, "
            f"{cost.start:.1f} s to load the model",
            f"estimate: {span(longest)} with {max(workers, 1)} worker{'s' if workers > 1 else ''}, "
            f"{sum(seconds) / 3600:.3g} worker-hours; the longest task takes {span(max(seconds))}",
        )
    )


def span(seconds: float) -> str:
    """A time for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
