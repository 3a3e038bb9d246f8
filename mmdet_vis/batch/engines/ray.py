"""Workers as actors of Ray Data, on one machine or a cluster: one row a block, one in work at each actor."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from mmdet_vis.batch.engines import Engine, EngineOptions, lost
from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import SegmentVideo, WorkerBroken, WorkerPlan
from mmdet_vis.errors import ConfigError, UserError, option

# Ray reads these when it is imported: nothing is sent anywhere, nothing is said between the program's own lines.
for _name, _value in {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}.items():
    os.environ.setdefault(_name, _value)

try:
    import ray
    import ray.data
except ImportError:
    raise ConfigError(f"{option('engine', 'ray')} needs Ray Data: pip install 'ray[data]'") from None

_T = TypeVar("_T")

_STARTS = 3
SECONDS_TO_ANSWER = 10.0
STORE_BYTES = 128 * 2**20
"""Shared memory of a cluster of this process's own: rows take a few hundred bytes."""


class RayEngine(Engine):
    """A cluster that is there (``address``), or one on this machine for as long as the block lasts."""

    def __init__(self, plan: WorkerPlan, options: EngineOptions) -> None:
        super().__init__(plan, options)
        self._folder: str | None = None

    def __enter__(self) -> RayEngine:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        address = self.options.address or os.environ.get("RAY_ADDRESS")
        if address is None:
            self._folder = tempfile.mkdtemp(prefix="ray-")
            options |= {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                "_temp_dir": self._folder,
            }
            if self.options.workers:
                options["num_cpus"] = max(os.cpu_count() or 1, round(self.options.workers * (self.options.cpus or 1)))
        else:
            _knock(address)
            options["address"] = address
        before = signal.getsignal(signal.SIGTERM)
        for attempt in range(_STARTS):
            try:
                with _quiet():
                    ray.init(**options)
                if threading.current_thread() is threading.main_thread():
                    signal.signal(signal.SIGTERM, before)  # Ray ends the program by it in a way of its own.
                break
            except Exception as error:
                ray.shutdown()
                # Ray gives a cluster 30 seconds to start, which a busy machine may not manage at once.
                if address is None and attempt + 1 < _STARTS:
                    continue
                self.__exit__()
                place = address or "this machine"
                raise ConfigError(f"{option('engine', 'ray')}: no cluster at {place}: {_one_line(error)}") from error
        logging.getLogger("ray").setLevel(logging.ERROR)
        for name in ("ray.data", "ray.data._internal"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1  # A row that is missing at the end is known by its task.
        self._size()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the cluster, and end it if it is this process's own."""
        ray.shutdown()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _size(self) -> None:
        there = ray.cluster_resources()
        gpus = self.options.gpus
        if gpus is None:
            gpus = 0.0 if self.plan.device not in ("auto", "cuda") or not there.get("GPU") else 1.0
        if self.plan.device == "auto":
            self.plan.device = "cuda" if gpus else "cpu"
        cpus = self.options.cpus
        if cpus is None:
            cpus = 1.0 if gpus else float(min(self.plan.threads or 1, int(there.get("CPU", 1)) or 1))
        room = there.get("GPU", 0) // gpus if gpus else there.get("CPU", 0) // (cpus or 1)
        self._resources = {"num_cpus": cpus, "num_gpus": gpus}
        self.workers = int(room) if self.options.workers is None else max(self.options.workers, 1)
        if self.workers < 1 or self.workers > room:
            ways = f"choose {option('workers')}, {option('cpus')} and {option('gpus')}"
            raise ConfigError(
                f"{option('engine', 'ray')}: {self.workers or 1} workers of {cpus:g} CPUs and {gpus:g} GPUs do not fit "
                f"a cluster of {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs: {ways}"
            )

    def where_workers_are(self, work: Callable[[], _T]) -> _T:
        """See :class:`Engine`."""
        remote = ray.remote(**self._resources, max_retries=1)(_outcome)
        value, error = ray.get(remote.remote(work))
        if error is not None:
            raise error
        return value

    def rows(self, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
        """See :meth:`Engine.rows`."""
        if not tasks:
            return
        missing = {(task.id, task.chunk): task for task in tasks}
        given = [{"task": json.dumps(task.row())} for task in tasks]
        pool = ray.data.ActorPoolStrategy(size=min(self.workers, len(tasks)), max_tasks_in_flight_per_actor=1)
        # An actor that dies is replaced and its row done again, so often; without a bound Ray would never give it up.
        again = {"max_restarts": -1, "max_task_retries": self.plan.retries}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # How these two are given will be another way from Ray 2.64 on.
            rows = ray.data.from_items(given, override_num_blocks=len(given)).map(
                _Actor, fn_constructor_args=(self.plan,), compute=pool, **self._resources, **again
            )
        try:
            for item in rows.iter_rows():
                row = json.loads(item["row"])
                missing.pop((row["id"], row["chunk"]), None)
                yield row
        except ray.exceptions.RayError as error:
            ways = f"run again with {option('resume', True)}"
            raise UserError(f"{option('engine', 'ray')}: {_one_line(error)}; {ways}") from error
        for task in missing.values():
            yield lost(task, f"its worker died {self.plan.retries + 1} times")


ENGINE = RayEngine


class _Actor:
    """A worker as Ray Data calls it: a row is one text, whatever columns it has."""

    def __init__(self, plan: WorkerPlan) -> None:
        self._worker = SegmentVideo(plan)

    def __call__(self, item: Mapping[str, Any]) -> dict[str, str]:
        try:
            return {"row": json.dumps(self._worker(json.loads(str(item["task"]))))}
        except WorkerBroken:
            os._exit(1)  # Ray starts another one and gives it the row again.


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing reaches stderr meanwhile: Ray says there, past Python, that it was told to say nothing."""
    try:
        before = os.dup(2)
    except OSError:  # There is none.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _knock(address: str) -> None:
    """Raises :class:`ConfigError`: nobody answers at ``HOST:PORT``; Ray itself would try for minutes."""
    host, _, port = address.partition("://")[2 if "://" in address else 0].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"{option('engine', 'ray')}: no cluster at {address} ({error}); check {option('address')}"
        ) from error


def _outcome(work: Callable[[], Any]) -> tuple[Any, UserError | None]:
    """What work gives, or what is wrong with the input: Ray would wrap that in an error of its own."""
    try:
        return work(), None
    except UserError as error:
        return None, error


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:400]
