"""Where a batch keeps what is done: ``OUT/videos/ID.json`` for each video, whoever did it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmdet_vis.batch.join import join_chunks
from mmdet_vis.batch.tasks import Task, chunk_name
from mmdet_vis.data.formats.result_file import read_result, write_result
from mmdet_vis.errors import OutputError, ResultsError, option
from mmdet_vis.files.atomic import remove_unfinished
from mmdet_vis.files.storage import LocalStorage, Storage
from mmdet_vis.result import VideoResult
from mmdet_vis.run.options import IDENTITY, UNREADABLE, check_same, earlier_run
from mmdet_vis.structures import VideoResult as Result

VIDEOS, CHUNKS, STATUS = "videos", "chunks", "status"
PICTURE_FOLDERS = ("png", "overlay", "video")
FOLDERS = (VIDEOS, CHUNKS, STATUS, *PICTURE_FOLDERS)
_END = b"]}\n"
_FRAMES = re.compile(rb'"num_frames": (\d{1,9})[,}]')
_HEAD = 4096
_NO_FRAMES = b"{}\n"
"""Contents of a part of which the video has no frame."""


class BatchStore:
    """The results of a batch; the file of a video appears, whole, when all else of it is written.

    ``OUT/run.json`` says what results depend on besides the videos; ``OUT/videos/ID.json`` is a result that
    :meth:`mmdet_vis.VideoResult.load` reads; ``OUT/chunks/ID/`` has the parts of a long video until they are joined;
    ``OUT/png/ID/``, ``OUT/overlay/ID/`` and ``OUT/video/ID.mp4`` have its pictures.

    Args:
        storage: OUT.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def check(self, identity: Mapping[str, Any], resume: bool) -> bool:
        """Whether there are results of this batch already; changes nothing.

        Args:
            identity: everything that results depend on, as a JSON object.
            resume: go on with what is there.

        Raises:
            OutputError: what is there is not to be mixed with the results of this batch.
        """
        other = VIDEOS if self.storage.names(VIDEOS) else None
        before = earlier_run(self.storage, lambda: len(self.done()), other, resume, None, "batch")
        if before is not None:
            another = f"the results in {self.storage.uri} are of another batch"
            check_same(before, identity, another, f"use another {option('out')}")
        return before is not None

    def score_thr(self) -> float:
        """Lowest score of an entry of ``results.json``, as the batch was told.

        Raises:
            OutputError: its identity cannot be read.
        """
        try:
            return float(json.loads(self.storage.read(IDENTITY))["options"]["score_thr"])
        except (*UNREADABLE, TypeError, KeyError, OverflowError) as error:
            raise OutputError(
                f"{self.storage.place(IDENTITY)} cannot be read ({error}); check {option('out')}"
            ) from error

    def prepare(self, identity: Mapping[str, Any], alone: bool) -> None:
        """Make the folder ready, after :meth:`check`; ``alone``, what was being written when a process was killed goes.

        Raises:
            OutputError: it cannot be written.
        """
        self.storage.prepare()
        self.storage.write(IDENTITY, json.dumps(identity, indent=1) + "\n")
        if alone and isinstance(self.storage, LocalStorage):
            remove_unfinished([self.storage.folder])  # what all parts share
            self.storage.remove_unfinished(*FOLDERS)

    def done(self) -> set[str]:
        """Ids of the videos that have a result."""
        names = [name for name in self.storage.names(VIDEOS) if name.endswith(".json")]
        return {name[:-5] for name in names if self.storage.is_whole(f"{VIDEOS}/{name}", _END)}

    def chunks(self) -> dict[str, set[str]]:
        """Names of the parts of each video of which some are there."""
        return {id: self.chunks_of(id) for id in self.storage.names(CHUNKS)}

    def has(self, id: str) -> bool:
        """Whether a video has a result."""
        return self.frames(id) is not None and self.storage.is_whole(f"{VIDEOS}/{id}.json", _END)

    def frames(self, id: str) -> int | None:
        """Frames of a video that has a result; the file's beginning says it. None without one."""
        try:
            found = _FRAMES.search(self.storage.read(f"{VIDEOS}/{id}.json", _HEAD))
        except OSError:
            return None
        return int(found[1]) if found else None

    def place(self, id: str) -> str:
        """Path or address of a video's result."""
        return self.storage.place(f"{VIDEOS}/{id}.json")

    def save(self, id: str, result: Result) -> None:
        """Write the result of a video; from then on it is done. Raises :class:`OutputError`: it cannot be written."""
        self._save(f"{VIDEOS}/{id}.json", result)

    def load(self, id: str) -> VideoResult:
        """The result of a video. Raises :class:`ResultsError`: it is not there, or damaged."""
        name = f"{VIDEOS}/{id}.json"
        try:
            return self._load(name)
        except OSError as error:
            raise ResultsError(f"{self.storage.place(name)} cannot be read: {error}") from error

    def save_chunk(self, task: Task, result: Result | None) -> None:
        """Write the result of a part; None: the video ends before it. Raises :class:`OutputError`: it cannot."""
        name = f"{CHUNKS}/{task.id}/{chunk_name(task.chunk, task.chunks)}"
        if result is None:
            self.storage.write(name, _NO_FRAMES)
        else:
            self._save(name, result)

    def join(self, task: Task, overlap: int, score_thr: float) -> VideoResult | None:
        """The parts of a video as one, if all of them are there. Raises :class:`ResultsError`: a part is damaged."""
        there = self.chunks_of(task.id)
        if any(chunk_name(k, task.chunks) not in there for k in range(task.chunks)):
            return None
        try:
            return join_chunks(self._parts(task), overlap, score_thr)
        except FileNotFoundError:  # Another worker has joined them at the same moment.
            return None

    def remove_chunks(self, id: str) -> None:
        """Remove the parts of a video, which is done."""
        self.storage.remove(f"{CHUNKS}/{id}")

    def put(self, name: str, path: Path) -> None:
        """Copy a file or the files of a folder that were written elsewhere to a place in OUT.

        Raises:
            OutputError: they cannot be written.
        """
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            self.storage.write(f"{name}/{file.name}" if path.is_dir() else name, file.read_bytes())

    def _parts(self, task: Task) -> Iterator[VideoResult]:
        for k in range(task.chunks):
            name = f"{CHUNKS}/{task.id}/{chunk_name(k, task.chunks)}"
            if self.storage.read(name, len(_NO_FRAMES)) != _NO_FRAMES:
                yield self._load(name)

    def chunks_of(self, id: str) -> set[str]:
        """Names of the parts of a video that are there."""
        folder = f"{CHUNKS}/{id}"
        return {
            name
            for name in self.storage.names(folder)
            if self.storage.is_whole(f"{folder}/{name}", _END) or self._is_empty(f"{folder}/{name}")
        }

    def _is_empty(self, name: str) -> bool:
        with suppress(OSError):
            return self.storage.read(name, len(_NO_FRAMES)) == _NO_FRAMES
        return False

    def _save(self, name: str, result: Result) -> None:
        with self.storage.write_to(name) as path:
            write_result(path, result)

    def _load(self, name: str) -> VideoResult:
        with self.storage.read_from(name) as path:
            try:
                return read_result(path, VideoResult)
            except ResultsError as error:
                way = f"once it is removed, {option('resume', True)} does its video again"
                raise ResultsError(f"{error}; {way}") from error
