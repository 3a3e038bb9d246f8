"""Workers as processes of this machine. One that dies is replaced, and another one does its row again."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from mmdet_vis.batch.engines import Engine, EngineOptions, lost
from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import SegmentVideo, WorkerBroken, WorkerPlan
from mmdet_vis.errors import UserError, let_signals_kill, option

_LOGGER = logging.getLogger(__name__)

EXIT_BROKEN = 75
"""Of a worker that cannot go on."""
_STARTS = 3
"""Deaths in a row, each before the model was loaded, after which no other worker is started."""
_SECONDS_TO_END = 10.0

Work = Callable[[WorkerPlan, Connection], None]


class LocalEngine(Engine):
    """Processes of this machine; with ``workers=0`` everything happens in this one."""

    def __init__(self, plan: WorkerPlan, options: EngineOptions) -> None:
        super().__init__(plan, options)
        self.workers = 1 if options.workers is None else options.workers

    def rows(self, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
        """See :meth:`Engine.rows`."""
        if not tasks:
            return
        if self.workers == 0:
            with closing(SegmentVideo(self.plan)) as worker:
                for task in tasks:
                    try:
                        yield worker(task.row())
                    except WorkerBroken as error:
                        ways = f"run again with {option('resume', True)}, or with {option('workers', 1)} or more"
                        raise UserError(f"{task.id}: {error}; {ways}") from error
            return
        with closing(Pool(self.plan, min(self.workers, len(tasks)))) as pool:
            yield from pool.rows(tasks)


ENGINE = LocalEngine


class _Process:
    """A worker and what it has to do.

    Attributes:
        task: in work, if any.
        ready: its model is loaded.
    """

    def __init__(self, plan: WorkerPlan, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        self.process = context.Process(target=work, args=(plan, there), daemon=True)
        self.process.start()
        there.close()
        self.task: Task | None = None
        self.ready = False

    def give(self, task: Task) -> None:
        """Hand out a row; a worker that has just died loses it, which is noticed then."""
        self.task = task
        with suppress(OSError):
            self.connection.send(task.row())

    def end(self) -> None:
        """Let it end, also in the middle of a row."""
        self.connection.close()
        if self.task is not None or not self.ready:
            self.process.terminate()
        self.process.join(_SECONDS_TO_END)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Pool:
    """A fixed number of processes, each with one row in work.

    Args:
        plan: for the workers.
        size: how many.
        work: what each process does with the plan and its end of a pipe; what :func:`_work` does unless given.
    """

    def __init__(self, plan: WorkerPlan, size: int, work: Work | None = None) -> None:
        self._work = work or _work
        self._plans = [replace(plan, device=_device(plan.device, number)) for number in range(size)]
        self._processes: list[_Process | None] = [None] * size
        self._starts = 0

    def rows(self, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
        """See :meth:`Engine.rows`."""
        waiting, tries = deque(tasks), dict.fromkeys(tasks, 0)
        while waiting or any(process is not None and process.task for process in self._processes):
            self._fill(waiting)
            for row in self._next():
                if isinstance(row, dict):
                    yield row
                    continue
                task, reason = row
                tries[task] += 1
                if tries[task] > self._plans[0].retries:
                    yield lost(task, f"its worker died {tries[task]} times, last {reason}")
                else:
                    _LOGGER.warning("%s: its worker died (%s); another one does it again", task.id, reason)
                    waiting.appendleft(task)

    def close(self) -> None:
        """End all workers."""
        for process in self._processes:
            if process is not None:
                process.end()
        self._processes = []

    def _fill(self, waiting: deque[Task]) -> None:
        """Start what has died, and give each idle worker a row."""
        for place, process in enumerate(self._processes):
            if process is None and waiting:
                self._processes[place] = _Process(self._plans[place], self._work)
            elif process is not None and process.ready and process.task is None and waiting:
                process.give(waiting.popleft())

    def _next(self) -> Iterator[dict[str, Any] | tuple[Task, str]]:
        """What came from workers: rows, and tasks of those that have died, each with the reason."""
        running = [process for process in self._processes if process is not None]
        ready = set(wait([process.connection for process in running]))
        for place, process in enumerate(self._processes):
            if process is None or process.connection not in ready:
                continue
            try:
                kind, value = process.connection.recv()
            except (EOFError, OSError):
                self._processes[place] = None
                yield from self._died(process)
                continue
            if kind == "error":
                raise value
            if kind == "ready":
                process.ready, self._starts = True, 0
            else:
                process.task = None
                yield value

    def _died(self, process: _Process) -> Iterator[tuple[Task, str]]:
        process.process.join(_SECONDS_TO_END)
        reason = _reason(process.process.exitcode)
        process.end()
        if process.task is not None:
            yield process.task, reason
        elif not process.ready:
            self._starts += 1
            if self._starts >= _STARTS:
                raise UserError(
                    f"workers die while they load the model ({reason}): give them more memory, or start fewer"
                )


def _device(name: str, number: int) -> str:
    """The device of a worker: ``auto`` and ``cuda`` are shared out where there are several GPUs."""
    gpus = torch.cuda.device_count() if name in ("auto", "cuda") and torch.cuda.is_available() else 0
    return f"cuda:{number % gpus}" if gpus > 1 else name


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return "a broken GPU or driver" if code == EXIT_BROKEN else f"exit code {code}"


def _work(plan: WorkerPlan, connection: Connection) -> None:
    """A worker's process: load the model, then rows in, rows out, until nobody sends any."""
    # Ctrl-C goes to all processes of a terminal: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = SegmentVideo(plan)
        connection.send(("ready", None))
        while True:
            connection.send(("row", worker(connection.recv())))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        let_signals_kill()
    except WorkerBroken as error:
        print(f"error: worker {os.getpid()}: {error}", file=sys.stderr, flush=True)
        os._exit(EXIT_BROKEN)
    except UserError as error:
        connection.send(("error", error))


def _end_with_parent() -> None:
    """End at once when the process that started this one is gone, however it ended."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        time.sleep(0.1)
        os._exit(1)
