"""A batch from a list to its report, on whichever engine: results are the same for any number of workers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from mmdet_vis.batch.engines import ENGINES, Engine, EngineOptions, engine_of
from mmdet_vis.batch.estimate import Cost, describe_estimate, measure
from mmdet_vis.batch.manifest import Entry, read_manifest
from mmdet_vis.batch.merge import RESULTS, SEQUENCES, merge
from mmdet_vis.batch.status import (
    TABLE,
    StatusLog,
    describe,
    other_sources,
    read_rows,
    summarize,
    tables,
    videos_of,
    write_status,
)
from mmdet_vis.batch.store import FOLDERS, STATUS, VIDEOS, BatchStore
from mmdet_vis.batch.tables import pyarrow
from mmdet_vis.batch.tasks import Task, left, share_of, tasks_of
from mmdet_vis.batch.worker import DONE, PART, UNWRITABLE, WorkerPlan
from mmdet_vis.errors import EXIT_SOME_FAILED, ConfigError, OutputError, option
from mmdet_vis.files.atomic import check_places
from mmdet_vis.files.lock import NAME, RunLock
from mmdet_vis.files.storage import is_address, local_path, open_storage
from mmdet_vis.progress import bars
from mmdet_vis.run.options import IDENTITY, identity_of
from mmdet_vis.run.workers import Workers

_LOGGER = logging.getLogger(__name__)
REPORT = "report.json"
_FILES = (IDENTITY, RESULTS, SEQUENCES, TABLE, REPORT)


@dataclass
class Batch:
    """What to do with a list.

    Attributes:
        manifest: path or address of the list, see :func:`mmdet_vis.batch.manifest.read_manifest`.
        plan: for the workers.
        engine: one of :data:`~mmdet_vis.batch.engines.ENGINES`.
        options: of the engine.
        shard: (number of this part from 0, number of parts): do one part of the list, beside others.
        resume: go on with what is in OUT; parts always do.
        merge: at the end write the files of all videos; not of a part.
        dry_run: only say how long it takes.
    """

    manifest: str
    plan: WorkerPlan
    engine: str = "local"
    options: EngineOptions = field(default_factory=EngineOptions)
    shard: tuple[int, int] | None = None
    resume: bool = False
    merge: bool = True
    dry_run: bool = False


def run_batch(batch: Batch) -> int:
    """Segment the videos of a list.

    Returns:
        exit code: 0, or 3 if some videos have no result (they are named; the others are done).

    Raises:
        DatasetError, ConfigError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written; what is done is kept.
    """
    pyarrow()
    plan = batch.plan
    if batch.engine not in ENGINES:
        raise ConfigError(f"{option('engine', batch.engine)} is not known: use one of {', '.join(ENGINES)}")
    if batch.shard is not None and not 0 <= batch.shard[0] < batch.shard[1]:
        what = "the number of a part from 0, and how many there are"
        raise ConfigError(f"{option('shard')} must be {what}, got {batch.shard}")
    store = BatchStore(open_storage(plan.out))
    chosen = engine_of(batch.engine)(plan, batch.options)
    workers = chosen.processes
    entries = workers.after_first(partial(read_manifest, batch.manifest))
    with chosen as engine:
        identity = workers.on_first(lambda: batch_identity(plan, engine))
        plan.threads = identity["options"]["threads"] or plan.threads
        tasks = tasks_of(entries, plan.chunk, plan.overlap)
        if batch.shard is not None:
            tasks = share_of(tasks, *batch.shard)
        if batch.dry_run:
            workers.on_first(lambda: _estimate(batch, store, identity, tasks, engine.workers * workers.size))
            workers.disconnect()
            return 0
        with _locked(store, workers, batch.shard):
            todo = workers.on_first(lambda: _prepare(batch, store, identity, entries, tasks))
            share = share_of(todo, workers.rank, workers.size) if workers.size > 1 else todo
            done = _Work(store, entries)
            try:
                done.do(engine, share, workers.rank)
            except OutputError:
                print(describe(done.summary(engine.workers)))
                raise
            counts = workers.gather((done.tasks, done.frames, done.seconds), time.sleep)
            mine, whole = {task.id for task in tasks}, batch.shard is None
            listed = [entry for entry in entries if whole or entry.id in mine]
            score_thr = plan.score_thr if batch.merge and whole else None
            number = max(engine.workers, 1) * len(counts)
            code = workers.on_first(lambda: _conclude(store, listed, score_thr, counts, number, write=whole))
        workers.disconnect()
    return code if workers.rank == 0 else 0


def merge_batch(manifest: str, out: str, score_thr: float | None = None) -> int:
    """Write the files of all videos of a list, of whatever is done by now; segments nothing.

    Entries have scores from ``score_thr`` on, that of the batch unless given. The exit code is that of ``run_batch``.

    Raises:
        DatasetError, OutputError, ResultsError: something cannot be read or written.
    """
    pyarrow()
    entries = read_manifest(manifest)
    store = BatchStore(open_storage(out))
    if not store.storage.names(VIDEOS):
        raise OutputError(f"{out} holds no results of a batch: check {option('out')}")
    with _locked(store, Workers(), None):
        if score_thr is None:
            score_thr = store.score_thr()
        return _conclude(store, entries, score_thr, [(0, 0, 0.0)], 0, write=True)


def batch_identity(plan: WorkerPlan, engine: Engine | None = None) -> dict[str, Any]:
    """Everything that results depend on besides the videos, as a JSON object.

    Raises:
        ConfigError, CheckpointError: a setting, the device or the weights cannot be used.
    """
    settings = plan.settings() if engine is None else engine.where_workers_are(plan.settings)
    if settings["threads"] is not None:
        settings["threads"] = plan.threads or settings["threads"]
    identity = identity_of(plan.config, plan.checkpoint, settings)
    return {**identity, "batch": {"chunk": plan.chunk, "overlap": plan.overlap}}


def _estimate(
    batch: Batch, store: BatchStore, identity: Mapping[str, Any], tasks: Sequence[Task], workers: int
) -> None:
    """Say how long a list takes, or with ``resume`` what is left of it."""
    if batch.resume and store.check(identity, resume=True):
        tasks = left(tasks, store.done(), store.chunks())
    cost = measure(batch.plan, tasks) if tasks else Cost(0.0)
    print(describe_estimate(tasks, cost, workers, batch.plan.device))


def _prepare(
    batch: Batch, store: BatchStore, identity: Mapping[str, Any], entries: Sequence[Entry], tasks: Sequence[Task]
) -> list[Task]:
    """Look at what is there, and make OUT ready; returns what is left to do."""
    there = store.check(identity, batch.resume or batch.shard is not None)
    done = store.done() if there else set()
    finished = [entry for entry in entries if entry.id in done]
    if changed := other_sources(finished, videos_of(read_rows(store, tables(store)), done, finished)):
        raise OutputError(
            f"{store.storage.uri} holds results of other videos under {len(changed)} ids of this list, such as "
            f"{changed[0]}: use another {option('out')}, or remove them from {store.storage.place(VIDEOS)}"
        )
    if store.storage.folder is not None:
        inputs = [local_path(entry.uri) for entry in entries if not is_address(entry.uri)]
        check_places(inputs, [store.storage.folder / name for name in (*FOLDERS, *_FILES)], argument="out")
    store.prepare(identity, alone=batch.shard is None)
    if unknown := sum(entry.length is None for entry in entries):
        _LOGGER.warning(
            f"{unknown} of {len(entries)} videos have no number of frames in the list: they are not cut into parts, "
            "and their order is guessed; `mmdet-vis batch-list` measures them"
        )
    return left(tasks, done, store.chunks() if there else {})


class _Work:
    """What this process did.

    Attributes:
        tasks, frames: that went well.
        seconds: how long it took.
    """

    def __init__(self, store: BatchStore, entries: Sequence[Entry]) -> None:
        self._store = store
        self._entries = entries
        self._rows: list[dict[str, Any]] = []
        self.tasks = self.frames = 0
        self.seconds = 0.0

    def do(self, engine: Engine, tasks: Sequence[Task], rank: int) -> None:
        """Let workers do tasks; keep what they say, and show it.

        Raises:
            OutputError: a worker cannot write its results, so no other could.
        """
        start = time.perf_counter()
        try:
            with StatusLog(self._store) as log, _bar(tasks, shown=rank == 0) as advance:
                for row in engine.rows(tasks):
                    self._rows.append(row)
                    log.add(row)
                    advance(row)
                    if row["status"] == UNWRITABLE:
                        raise OutputError(f"{row['id']}: {row['error']}")
                    if row["status"] in (DONE, PART):
                        self.tasks += 1
                        self.frames += row["frames"] or 0
        finally:
            self.seconds = time.perf_counter() - start

    def summary(self, workers: int) -> dict[str, Any]:
        """The report, where nothing can be written."""
        videos = videos_of(self._rows, self._store.done(), self._entries)
        return summarize(self._entries, videos, self.tasks, self.frames, self.seconds, workers)


@contextmanager
def _bar(tasks: Sequence[Task], shown: bool) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar over the frames of tasks, with the number of videos, of failures and of frames per second."""
    text = TextColumn("{task.description}", markup=False)
    more = TextColumn("{task.fields[more]}", markup=False)
    loads = {(task.id, task.chunk): task.frames or 1 for task in tasks}
    with bars(text, BarColumn(), TimeRemainingColumn(), more, shown=shown) as bar:
        shown_task = bar.add_task(f"tasks 0/{len(tasks)}", total=sum(loads.values()), more="")
        count = failed = frames = 0
        start = time.perf_counter()

        def advance(row: Mapping[str, Any]) -> None:
            nonlocal count, failed, frames
            count, failed = count + 1, failed + (row["status"] not in (DONE, PART))
            frames += row["frames"] or 0
            speed = frames / max(time.perf_counter() - start, 1e-6)
            bar.update(
                shown_task,
                advance=loads.get((row["id"], row["chunk"]), 1),
                description=f"tasks {count}/{len(tasks)}",
                more=f"{speed:.2f} frames/s" + (f", {failed} failed" if failed else ""),
            )
            if row["status"] not in (DONE, PART):
                _LOGGER.error("%s: %s", row["id"], row["error"])
            for line in (row["warnings"] or "").splitlines():
                _LOGGER.warning("%s", line)

        yield advance


def _conclude(
    store: BatchStore,
    entries: Sequence[Entry],
    score_thr: float | None,
    counts: Sequence[tuple[int, int, float]],
    workers: int,
    write: bool,
) -> int:
    """The end of a batch: merge if asked to, write the table of the status and the report, and say it.

    ``counts`` are the tasks that each process did, their frames and the seconds that it took.
    """
    if score_thr is not None:
        merge(store, entries, score_thr)
    names = tables(store)
    videos = videos_of(read_rows(store, names), store.done(), entries)
    for entry in entries:
        video = videos[entry.id]
        if video.status == DONE and video.frames is None:  # Its row was lost with a driver; its result was not.
            video.frames = store.frames(entry.id)
    did, frames, seconds = zip(*counts, strict=True)
    summary = summarize(entries, videos, sum(did), sum(frames), max(seconds), workers)
    if write:
        write_status(store, entries, videos)
        for name in names[1:]:
            store.storage.remove(name)
        store.storage.write(REPORT, json.dumps(summary, indent=2) + "\n")
    print(describe(summary))
    merged = f" ({RESULTS}, {SEQUENCES})" if score_thr is not None else ""
    print(f"results{merged}: {store.storage.uri}")
    return EXIT_SOME_FAILED if summary["videos_done"] < summary["videos"] and (write or summary["videos_failed"]) else 0


@contextmanager
def _locked(store: BatchStore, processes: Workers, shard: tuple[int, int] | None) -> Iterator[None]:
    """Keep others out of OUT, or out of the same part of it; an object store has no locks."""
    folder = store.storage.folder

    def no_shards() -> None:
        """Raises :class:`OutputError`: a part of the batch is being done."""
        assert folder is not None
        for lock in sorted(folder.glob(f"{STATUS}/shard-*/{NAME}")):
            with RunLock(lock.parent):
                pass

    if folder is None:
        if processes.rank == 0:
            _LOGGER.info("%s cannot be locked: start no second run there", store.storage.uri)
        yield
    elif shard is not None:
        with processes.lock(folder / STATUS / "shard-{}-of-{}".format(*shard)):
            yield
    else:
        with processes.lock(folder):
            processes.on_first(no_shards)
            yield
