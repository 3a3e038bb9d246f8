"""The worker: takes a row that names a video, writes its results, gives a small row back. It knows no engine."""

from __future__ import annotations

import errno
import os
import platform
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from mmdet_vis.batch.store import BatchStore
from mmdet_vis.batch.tasks import Task, chunk_name
from mmdet_vis.checks import check_path, check_whole
from mmdet_vis.choices import ENDINGS
from mmdet_vis.data.datasets import open_video
from mmdet_vis.data.formats.archives import is_archive
from mmdet_vis.data.sources import FrameSource, PartSource
from mmdet_vis.data.sources.fetch import FetchError, LocalCopy
from mmdet_vis.errors import (
    OutputError,
    UserError,
    collected_warnings,
    is_device_error,
    speak_of_options,
    speaks_of_options,
)
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.files.storage import is_address, open_storage
from mmdet_vis.progress import RunProgress
from mmdet_vis.run.job import Job, places_in, write_pictures
from mmdet_vis.run.loop import Save, run_jobs
from mmdet_vis.run.options import Plan
from mmdet_vis.streaming.segment import check_window
from mmdet_vis.structures import VideoResult

DONE, PART, FAILED, CRASHED, UNWRITABLE = "done", "part", "failed", "crashed", "unwritable"
"""What becomes of a row: the video has a result; a part of it has, others are missing; it cannot be segmented;
something broke that may go well another time; results cannot be written, and will not be for any other video."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
CHUNK, OVERLAP = 200, 8
"""Frames of a part of a long video, and those that neighbouring parts share."""


class WorkerBroken(Exception):
    """This process cannot go on, as after an error of its GPU; another one can do the same row."""


@dataclass(kw_only=True)
class WorkerPlan(Plan):
    """Everything that a worker needs to know, as plain data that engines can send.

    Attributes:
        out: path or address of the results.
        chunk, overlap: see :func:`mmdet_vis.batch.tasks.tasks_of`.
        threads: CPU threads, the same for every worker: the last digits depend on it. None: PyTorch's choice.
        retries: how often a row is tried again after a breakdown, see :data:`CRASHED`.
        commanded: messages of workers speak as those of a command, as the plan's maker's do.

    Raises:
        ConfigError: ``out`` cannot be used, see :func:`mmdet_vis.files.storage.open_storage`.
    """

    out: str
    chunk: int = CHUNK
    overlap: int = OVERLAP
    threads: int | None = None
    retries: int = 1
    commanded: bool = field(default_factory=speaks_of_options)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_path("out", self.out, "a path or an address")
        check_window(self.chunk, self.overlap, "chunk")
        check_whole("retries", self.retries, 0)
        if self.threads is not None:
            check_whole("threads", self.threads, 1)
        self.options = self.options.complete(self.config)
        # Workers may start in another folder.
        self.checkpoint = self.checkpoint.absolute()
        folder = open_storage(self.out).folder
        self.out = self.out if folder is None else os.path.abspath(folder)

    @property
    def score_thr(self) -> float:
        """Lowest score of what is kept where parts are joined, and in the files of all videos."""
        assert self.options.score_thr is not None  # as options are complete
        return self.options.score_thr


class SegmentVideo:
    """Segments the videos that rows name: ``worker({"id": ..., "uri": ..., "start": 0, "stop": None})``.

    The model is loaded once. Results go to OUT, see :class:`~mmdet_vis.batch.store.BatchStore`; frames are decoded
    ahead by a thread. The last part of a long video that is written joins all of them.

    Args:
        plan: what to do.

    Raises:
        ConfigError, CheckpointError: the model cannot be loaded.
    """

    def __init__(self, plan: WorkerPlan) -> None:
        speak_of_options(plan.commanded)
        if plan.threads is not None:
            torch.set_num_threads(plan.threads)
        self._plan = plan
        self._store = BatchStore(open_storage(plan.out))
        self._model = plan.load()
        self._held: tuple[str, FrameSource] | None = None
        self._files = ExitStack()

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Do a row; whatever is wrong with the video is in the row that comes back.

        ``row`` has the keys of :class:`~mmdet_vis.batch.tasks.Task`, of which ``id`` and ``uri`` have to be there. What
        comes back says besides ``status`` (see :data:`DONE`), ``frames`` (those that no earlier part has; None without
        a result), ``seconds``, ``error``, ``warnings`` and ``result_uri``.

        Raises:
            WorkerBroken: this process cannot go on.
        """
        task = Task.from_row(row)
        start = time.perf_counter()
        with collected_warnings(alone=True) as lines:
            status, error, frames = self._try(task)
        return task.row() | {
            "status": status,
            "frames": frames,
            "seconds": time.perf_counter() - start,
            "error": None if error is None else _about(error, task.uri),
            "warnings": _about("\n".join(lines), task.uri) or None,
            "result_uri": self._store.place(task.id) if status == DONE else None,
            "host": platform.node(),
        }

    def close(self) -> None:
        """Close the video that is open."""
        self._held = None
        self._files.close()

    def _try(self, task: Task) -> tuple[str, str | None, int | None]:
        error: tuple[str, str | None, int | None] = (CRASHED, None, None)
        for _ in range(self._plan.retries + 1):
            try:
                return self._segment(task)
            except OutputError as problem:
                return UNWRITABLE, str(problem), None
            except FetchError as problem:
                error = CRASHED, str(problem), None
            except UserError as problem:
                return FAILED, str(problem), None
            except Exception as problem:
                if isinstance(problem, OSError) and problem.errno in _NO_ROOM:
                    return UNWRITABLE, _one_line(problem), None
                if is_device_error(problem):
                    raise WorkerBroken(_one_line(problem)) from problem
                self.close()
                error = CRASHED, _one_line(problem), None
        return error

    def _segment(self, task: Task) -> tuple[str, str | None, int | None]:
        if self._store.has(task.id):  # Done by a worker that was killed before it could say so.
            return DONE, None, self._new_frames(task, None)
        if task.chunks > 1 and chunk_name(task.chunk, task.chunks) in self._store.chunks_of(task.id):
            return self._join(task, None)
        source = self._open(task.uri)
        if task.chunks > 1 and task.start >= len(source):
            self._store.save_chunk(task, None)
            return self._join(task, 0)
        with tempfile.TemporaryDirectory(prefix="mmdet_vis-") as folder:
            places = self._places(task.id, Path(folder)) if task.chunks == 1 else {}
            job = Job(task.number, task.id, lambda: PartSource(source, task.start, task.stop, task.id), places)
            save: Save = lambda job, result, _: self._save(task, job.places, result)  # noqa: E731
            report = run_jobs(self._model, [job], save, self._plan.options, RunProgress({job.id: 1}))
        if report.failures:
            return FAILED, report.failures[0].error, None
        return (DONE, None, report.frames) if task.chunks == 1 else self._join(task, report.frames)

    def _join(self, task: Task, frames: int | None) -> tuple[str, str | None, int | None]:
        """Join the parts of a video if this was the last of them."""
        plan = self._plan
        new = self._new_frames(task, frames)
        result = self._store.join(task, plan.overlap, plan.score_thr)
        if result is None:
            return (DONE if self._store.has(task.id) else PART), None, new
        with tempfile.TemporaryDirectory(prefix="mmdet_vis-") as folder:
            places = self._places(task.id, Path(folder))
            if places:
                source = self._open(task.uri)
                first = task.start - task.chunk * (plan.chunk - plan.overlap)
                whole = PartSource(source, first, first + result.num_frames)
                write_pictures(result, whole, places, plan.options.show_thr, plan.options.use_img)
            self._save(replace(task, chunks=1), places, result)
        self._store.remove_chunks(task.id)
        return DONE, None, new

    def _save(self, task: Task, places: Mapping[str, Path], result: VideoResult) -> None:
        """Keep the result of a row, with all its scores."""
        if task.chunks > 1:
            self._store.save_chunk(task, result)
            return
        if self._store.storage.folder is None:
            for kind, place in places.items():
                self._store.put(f"{kind}/{place.name}", place)
        self._store.save(task.id, result)

    def _new_frames(self, task: Task, frames: int | None) -> int | None:
        """Frames that no earlier part has, of a task of so many, as far as that is known."""
        if frames is None:
            frames = self._store.frames(task.id) if task.chunks == 1 else task.frames
        return frames if frames is None or task.chunk == 0 else max(frames - self._plan.overlap, 0)

    def _places(self, id: str, temporary: Path) -> dict[str, Path]:
        """Where the pictures of a video are written; what goes to an object store is uploaded from there."""
        places = places_in(self._store.storage.folder or temporary, id, self._plan.options.formats)
        for kind in ENDINGS.keys() & places.keys():
            ensure_writable_dir(places[kind].parent)
        return places

    def _open(self, uri: str) -> FrameSource:
        """The frames of a video. It stays open: the next row is often another part of it."""
        if self._held is None or self._held[0] != uri:
            self.close()
            copy = self._files.enter_context(closing(LocalCopy(uri)))
            source = open_video(copy.path, copy.scratch() if is_archive(copy.path) else None)
            self._held = uri, self._files.enter_context(source)
        return self._held[1]


def _about(text: str, uri: str) -> str:
    """A text without the place of a copy: that is gone when somebody reads it."""
    name = uri.rstrip("/").rpartition("/")[2]
    copy = f"{re.escape(os.path.join(tempfile.gettempdir(), 'mmdet_vis-'))}[^/\\\\]+[/\\\\]{re.escape(name)}"
    return re.sub(copy, lambda _: uri, text) if is_address(uri) else text


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
