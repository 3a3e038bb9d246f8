"""Make a whole dataset: videos in parallel, one annotation file per split."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import cv2

from mmdet_vis.data.synthvis.categories import CATEGORIES
from mmdet_vis.data.synthvis.options import GENERATOR_VERSION, DatasetOptions
from mmdet_vis.data.synthvis.output import building, check_free, is_complete, write_json
from mmdet_vis.data.synthvis.video import SPLITS, make_video
from mmdet_vis.errors import DatasetError, OutputError
from mmdet_vis.progress import with_bar


@dataclass(frozen=True)
class DatasetSummary:
    """What :func:`make_dataset` did.

    Attributes:
        path: the dataset's folder.
        made: False if it was complete already.
        videos, objects: number per split; ``objects`` is empty if nothing was made.
    """

    path: Path
    made: bool
    videos: dict[str, int]
    objects: dict[str, int]


def make_dataset(
    out: str | os.PathLike[str], *, workers: int = 1, force: bool = False, progress: bool = False, **options: Any
) -> DatasetSummary:
    """Make a SynthVIS dataset in YouTube-VIS format.

    The files depend on ``options`` alone, not on ``workers``. If ``out`` is the complete dataset of these
    options already, nothing is done. A run that is interrupted leaves nothing under the name ``out``.

    Args:
        out: folder to make: ``out/{train,val}/instances.json`` and
            ``out/{train,val}/JPEGImages/<video>/00000.jpg``.
        workers: processes. With more than one, a script must call this under ``if __name__ == "__main__":``,
            for the processes are spawned.
        force: replace a SynthVIS dataset of other options in ``out``.
        progress: show a progress bar on stderr if that is a terminal.
        **options: fields of :class:`DatasetOptions`.

    Raises:
        DatasetError: options out of range, or no video can satisfy them.
        OutputError: ``out`` holds something else or cannot be written.
    """
    try:
        chosen = DatasetOptions(**options)
    except TypeError as error:
        raise DatasetError(f"SynthVIS: {error}") from None
    if workers < 1:
        raise DatasetError(f"SynthVIS: workers is {workers}; give at least 1")
    path = Path(os.path.abspath(out))
    videos = {split: getattr(chosen, split) for split in SPLITS}
    if is_complete(path, chosen):
        return DatasetSummary(path, False, videos, {})
    check_free(path, force)
    try:
        with building(path, chosen) as folder:
            objects = _write_splits(folder, chosen, workers, progress)
    except OSError as error:
        raise OutputError(f"{error.filename or path}: cannot be written: {error.strerror or error}") from error
    return DatasetSummary(path, True, videos, objects)


def _write_splits(folder: Path, options: DatasetOptions, workers: int, progress: bool) -> dict[str, int]:
    """Write both splits and return their numbers of objects. A split of 0 videos is left out."""
    objects = {}
    jobs = [(split, i) for split in SPLITS for i in range(getattr(options, split))]
    for split in dict(jobs):
        (folder / split / "JPEGImages").mkdir(parents=True)
    work = partial(_work, folder, options)
    with _mapper(min(workers, len(jobs))) as mapper:
        results = with_bar(mapper(work, jobs), "SynthVIS videos", len(jobs), shown=progress)
        for split in dict(jobs):
            made = list(islice(results, getattr(options, split)))
            write_json(folder / split / "instances.json", _annotation_file(split, options, made))
            objects[split] = sum(len(video["annotations"]) for video in made)
    return objects


def _work(folder: Path, options: DatasetOptions, job: tuple[str, int]) -> dict[str, Any]:
    split, index = job
    return make_video(folder / split / "JPEGImages", options, split, index)


def _annotation_file(split: str, options: DatasetOptions, made: list[dict[str, Any]]) -> dict[str, Any]:
    """The ``instances.json`` of one split: videos, categories and annotations with ids from 1."""
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video_id, video in enumerate(made, start=1):
        videos.append({"id": video_id, **video["video"]})
        for annotation in video["annotations"]:
            annotations.append({"id": len(annotations) + 1, "video_id": video_id, **annotation})
    description = f"SynthVIS {split}, seed {options.seed}"
    return {
        "info": {"description": description, "version": str(GENERATOR_VERSION), "options": options.as_json()},
        "videos": videos,
        "categories": [{"id": c.id, "name": c.name} for c in CATEGORIES],
        "annotations": annotations,
    }


@contextmanager
def _mapper(workers: int) -> Iterator[Any]:
    """A lazy, ordered ``map`` over ``workers`` processes (1: this process)."""
    if workers == 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield map
        finally:
            cv2.setNumThreads(threads)
        return
    # Spawned rather than forked: OpenCV's and torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield partial(_ordered_map, pool, 2 * workers)
    except BrokenProcessPool:
        raise DatasetError(
            "SynthVIS: a worker process ended early; use fewer workers if memory is short, and in a script "
            "call make_dataset under `if __name__ == '__main__':`"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _ordered_map(pool: ProcessPoolExecutor, ahead: int, work: Any, jobs: list[Any]) -> Iterator[Any]:
    """Results in the order of ``jobs``, of which at most ``ahead`` are under way.

    Unlike ``pool.map`` it hands out no more, so that little is left to finish when one fails; some Python
    versions hang if a pool with many waiting jobs breaks.
    """
    waiting: deque[Future[Any]] = deque()
    for job in jobs:
        with _no_interrupt():
            waiting.append(pool.submit(work, job))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """A process that is started in the block is deaf to Ctrl-C: to stop is the parent's business."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows; there a worker is deaf a moment later.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Do not outlive the parent: nobody would tell an orphan to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
