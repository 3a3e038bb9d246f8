"""What runs workers: each engine is one file, imported only when it is used."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import CRASHED, WorkerPlan
from mmdet_vis.checks import check_number, check_whole
from mmdet_vis.run.workers import Workers

_T = TypeVar("_T")

ENGINES = ("local", "torchrun", "ray")
MAX_UNITS = 10_000
"""GPUs or CPUs of a worker."""


@dataclass(frozen=True)
class EngineOptions:
    """What engines are told of the machines.

    Attributes:
        workers: how many there are; None: one, or as many as a cluster has GPUs, or room on its CPUs. 0: none of their
            own, the work is done in this process.
        address: of a cluster that is there.
        gpus, cpus: of each worker, as a cluster counts them; None: one GPU where there are any, and as many CPUs as
            threads.

    Raises:
        ConfigError: one is no number of at least 0.
    """

    workers: int | None = None
    address: str | None = None
    gpus: float | None = None
    cpus: float | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_whole("workers", self.workers, 0)
        for name, value in (("gpus", self.gpus), ("cpus", self.cpus)):
            if value is not None:
                check_number(name, value, 0, MAX_UNITS)


class Engine(ABC):
    """A fixed number of workers, each with one row in work; used in its ``with`` block.

    Args:
        plan: for the workers. An engine may fill in their device.
        options: of the engine.

    Attributes:
        processes: those that run the program itself side by side.
        workers: how many there are; known once the block is entered.
    """

    processes = Workers()
    workers = 1

    def __init__(self, plan: WorkerPlan, options: EngineOptions) -> None:
        self.plan = plan
        self.options = options

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:  # noqa: B027  (not every engine has something to end)
        """End all workers."""

    def where_workers_are(self, work: Callable[[], _T]) -> _T:
        """Do something on a machine like those of the workers, which may have GPUs where this one has none."""
        return work()

    @abstractmethod
    def rows(self, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
        """Do tasks, the first ones first; gives the row of each as it comes.

        A task whose worker dies is given to another one, ``plan.retries`` times; then its row says so.
        Raises :class:`UserError`: workers cannot be started.
        """


def lost(task: Task, reason: str) -> dict[str, Any]:
    """The row of a task whose workers died."""
    nothing = dict.fromkeys(("frames", "seconds", "warnings", "result_uri", "host"))
    return {**task.row(), **nothing, "status": CRASHED, "error": reason}


def engine_of(name: str) -> type[Engine]:
    """The engine of that name, one of :data:`ENGINES`."""
    found: type[Engine] = importlib.import_module(f"mmdet_vis.batch.engines.{name}").ENGINE
    return found
