"""What a run has finished, a file for each video, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from mmdet_vis.choices import ENDINGS, FORMATS
from mmdet_vis.data.formats import sequence_annotations, write_results
from mmdet_vis.data.formats.ytvis_results import dataset_entries
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import OutputError, counted, option
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir, remove_unfinished
from mmdet_vis.files.storage import LocalStorage
from mmdet_vis.run.job import Job
from mmdet_vis.run.options import IDENTITY, UNREADABLE, check_same, earlier_run
from mmdet_vis.structures import VideoResult

_LOGGER = logging.getLogger(__name__)


class RunStore(ABC):
    """The records of a run: a file for each video, which appears when its pictures are written, and ``run.json``, which
    says what the results depend on.

    Args:
        folder: where the results of the run go; used by one run at a time.
        jobs: all videos of the run, in the order of ``results.json``.
        json: whether there is a ``results.json``.
        names: of the record of each video by its id.

    Attributes:
        grows: ``results.json`` is there before the run has ended.
    """

    grows = False
    # Folder of the records, place of run.json, and how a record that is whole ends.
    _records: str
    _identity_file = IDENTITY
    _end = b"]\n"
    # What a run writes beside run.json, relative to its folder: when another begins these go and nothing else.
    _written: tuple[str, ...]
    _folders: tuple[str, ...] = ()
    _share = 0.05
    """Largest part of a run's time that goes into writing ``results.json`` anew before its end."""

    def __init__(self, folder: Path, jobs: Sequence[Job], json: bool, names: Mapping[int, str]) -> None:
        self.folder = folder
        self._storage = LocalStorage(folder)
        self._jobs, self._json, self._names = jobs, json, names
        self._identity: Mapping[str, Any] = {}
        self._outdated: list[Path] = []
        self._emptied: list[Path] = []
        self._updated, self._cost = -float("inf"), 0.0

    def check(self, identity: Mapping[str, Any], resume: bool, overwrite: bool = False) -> set[int]:
        """Ids of the videos that an earlier run has finished and that need not be done again; changes nothing.

        Args:
            identity: everything that the results depend on, as a JSON object.
            resume: keep the results of an earlier run of the same identity; without one, begin.
            overwrite: begin, whatever there is of an earlier run.

        Raises:
            OutputError: what is in the folder is not to be mixed with the results of this run.
        """
        self._identity = identity
        before = self._earlier(resume, overwrite)
        if before is None:
            self._outdated = [path for pattern in self._written for path in sorted(self.folder.glob(pattern))]
            self._emptied = [path for pattern in self._folders for path in self.folder.glob(pattern)]
            return set()
        another = f"the results in {self.folder} are of another run"
        check_same(before, identity, another, f"use another {option('save_dir')}, or {self._anew()}")
        kept = {job.id for job in self._jobs if self._is_done(job)}
        self._outdated = [self._file(key) for key in self._names if key not in kept]
        return kept

    def prepare(self) -> None:
        """Make the folder ready, after :meth:`check`: what is not kept goes, and so do files left unfinished.

        Raises:
            OutputError: the folder cannot be written, or a file cannot be removed.
        """
        for path in self._outdated:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(
                    f"cannot remove {path}: {error.strerror}; use another {option('save_dir')}"
                ) from error
        for path in self._emptied:
            with suppress(OSError):  # Something else is in it: that stays.
                path.rmdir()
        records = self.folder / self._records
        folders = {self.folder, records, *chain.from_iterable(map(self.folder.glob, self._folders))}
        for job in self._jobs:
            folders |= {place.parent if kind in ENDINGS else place for kind, place in job.places.items()}
        self._storage.prepare()
        remove_unfinished(folders)
        # First of all, since it says that the other files are of a run.
        self._storage.write(self._identity_file, json.dumps(self._identity, indent=1) + "\n")
        ensure_writable_dir(records)

    def done(self) -> set[int]:
        """Ids of the videos that have a record, of whichever process of the run."""
        there = set(self._storage.names(self._records))
        return {key for key, name in self._names.items() if name in there and self._is_whole(key)}

    @abstractmethod
    def save(self, job: Job, result: VideoResult, score_thr: float) -> None:
        """Write the record of a video whose pictures are written, in one step; from then on it is done.

        Entries of ``results.json`` have scores from ``score_thr`` on.

        Raises:
            OutputError: the file cannot be written.
        """

    def write_results(self) -> None:
        """Write ``results.json`` with all videos that are done, if the run has one.

        Raises:
            OutputError: it cannot be written, or a record was damaged.
        """
        if not self._json:
            return
        start = time.monotonic()
        try:
            write_results(self.folder / "results.json", self.entries())
        except (ValueError, RecursionError) as error:  # Such as a number that JSON does not know.
            raise OutputError(f"a result in {self.folder} is damaged ({error}); {self._anew()}") from error
        self._updated = time.monotonic()
        self._cost = self._updated - start

    def stop(self, alone: bool) -> None:
        """Leave what a run leaves that does not reach its end, and say how it goes on.

        Raises:
            OutputError: ``results.json`` cannot be written; ``alone``, no other process is at work for this run.
        """
        done = f"{len(self.done())} of {counted(len(self._jobs), 'video')}"
        _LOGGER.info("%s done: the same with %s goes on from there", done, option("resume", True))

    def update_results(self) -> None:
        """Write ``results.json`` during the run, if it is time: it grows, and each time would take most of the run."""
        if self.grows and time.monotonic() - self._updated > self._cost / self._share:
            self.write_results()

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries of ``results.json``, one video in memory at a time.

        Raises:
            OutputError: a record has been damaged since it was written.
        """
        done = self.done()
        for job in self._jobs:
            if job.id in done:
                try:
                    entries = self._entries(job, json.loads(self._file(job.id).read_bytes()))
                except UNREADABLE as error:
                    entries, reason = None, f"is damaged ({error})"
                else:
                    reason = "holds no results"
                if entries is None:
                    raise OutputError(
                        f"{self._file(job.id)} {reason}; remove it and run again with {option('resume', True)}"
                    )
                yield from entries

    def _file(self, id: int) -> Path:
        return self.folder / self._records / self._names[id]

    def _is_whole(self, id: int) -> bool:
        return self._storage.is_whole(f"{self._records}/{self._names[id]}", self._end)

    @abstractmethod
    def _earlier(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        """The identity of the run to go on with; None to begin. Raises :class:`OutputError`: neither is wanted."""

    def _anew(self) -> str:
        """How to start anew."""
        return f"start anew with {option('overwrite', True)}"

    @abstractmethod
    def _is_done(self, job: Job) -> bool:
        """Whether an earlier run finished a video, and all of it is still there."""

    def _entries(self, job: Job, record: Any) -> list[dict[str, Any]] | None:
        """What a record says, as it stands in ``results.json``; None if it is no record."""
        return record if isinstance(record, list) and all(isinstance(entry, dict) for entry in record) else None


class FilesStore(RunStore):
    """Of a run over files and folders: in ``SAVE/.progress``; whoever starts one without ``--resume`` starts anew."""

    grows = True
    _records = ".progress"
    _identity_file = f"{_records}/{IDENTITY}"
    _end = b"}\n"
    _written = (f"{_records}/*.json",)

    def __init__(self, folder: Path, jobs: Sequence[Job], json: bool = True) -> None:
        # Not the names themselves: one of the videos may be called "run".
        names = {job.id: hashlib.sha256(job.name.encode(errors="surrogateescape")).hexdigest()[:32] for job in jobs}
        super().__init__(folder, jobs, json, {key: f"{name}.json" for key, name in names.items()})
        self._replaced = 0

    def _earlier(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        file = self.folder / self._identity_file
        if not resume or not file.exists():
            return None
        before = _read(file)
        if not isinstance(before, dict):
            raise OutputError(f"cannot resume: {file} is damaged; use another {option('save_dir')}, or {self._anew()}")
        return before

    def _anew(self) -> str:
        return f"leave {option('resume', True)} out to start anew"

    def _is_done(self, job: Job) -> bool:
        record = _read(self._file(job.id))
        if self._entries(job, record) is None or record.get("input") != fingerprint(job.path):
            return False
        return job.has_pictures(record.get("frames"))

    def check(self, identity: Mapping[str, Any], resume: bool, overwrite: bool = False) -> set[int]:
        """See :class:`RunStore`."""
        kept = super().check(identity, resume, overwrite)
        self._replaced = 0 if resume else sum(path.name != IDENTITY for path in self._outdated)
        return kept

    def prepare(self) -> None:
        """See :class:`RunStore`; that a run takes the place of another is said."""
        if self._replaced:
            held = f"{self.folder} holds results of {counted(self._replaced, 'video')}, which this run replaces"
            _LOGGER.info("%s; with %s what is done is kept", held, option("resume", True))
        super().prepare()

    def stop(self, alone: bool) -> None:
        """See :class:`RunStore`; of a run that has done no video nothing stays that would look like a result."""
        if self.done():
            self.write_results()
            super().stop(alone)
        elif alone:
            self._storage.remove(self._identity_file)
            with suppress(OSError):  # Something else is in it: that stays.
                (self.folder / self._records).rmdir()

    def save(self, job: Job, result: VideoResult, score_thr: float) -> None:
        """See :class:`RunStore`."""
        # The number of a video may be another one when the run goes on: results.json has it.
        entries = sequence_annotations(result, 0, score_thr) if self._json else []
        record = {"input": fingerprint(job.path), "frames": result.num_frames, "entries": entries}
        atomic_write(self._file(job.id), json.dumps(record, allow_nan=False) + "\n")

    def _entries(self, job: Job, record: Any) -> list[dict[str, Any]] | None:
        entries = super()._entries(job, record.get("entries")) if isinstance(record, dict) else None
        numbers = {"video_id": job.id, "video_name": job.name}
        return None if entries is None else [{**entry, **numbers} for entry in entries]


class DatasetStore(RunStore):
    """Of a run over a dataset: ``SAVE/videos/ID.json``, each of them a results file for one video.

    Args:
        folder, jobs, json: see :class:`RunStore`.
        category_ids: of the network's C categories in the dataset; None for those that it lacks.
    """

    _records = "videos"
    _written = (
        "videos/*.json", "png/*/*.png", "overlay/*/*.jpg", "video/*.mp4", "result/*.json",
        "results.json", "submission.zip", "metrics.json", "summary.json",
    )  # fmt: skip
    _folders = ("videos", "png/*", "png", "overlay/*", "overlay", "video", "result")
    _places = ("videos", "png", "overlay", "video", "result", *_written[5:])

    def __init__(
        self, folder: Path, jobs: Sequence[Job], json: bool = True, category_ids: Sequence[int | None] = ()
    ) -> None:
        super().__init__(folder, jobs, json, {job.id: f"{job.id}.json" for job in jobs})
        self._category_ids = category_ids

    def places(self) -> Iterator[Path]:
        """Files that runs write, and folders whose contents they write; they need not exist."""
        for name in (*self._places, IDENTITY):
            yield self.folder / name
        for pattern in self._folders:  # A link may lead elsewhere.
            yield from self.folder.glob(pattern)

    def _earlier(self, resume: bool, overwrite: bool) -> dict[str, Any] | None:
        other = next((name for name in self._places if (self.folder / name).exists()), None)
        return earlier_run(self._storage, lambda: len(self.done()), other, resume, overwrite, "dataset")

    def _is_done(self, job: Job) -> bool:
        return self._is_whole(job.id) and job.has_pictures(job.frames)

    def save(self, job: Job, result: VideoResult, score_thr: float) -> None:
        """See :class:`RunStore`."""
        write_results(self._file(job.id), dataset_entries(result, self._category_ids, job.id, score_thr))


def earlier_formats(folder: Path) -> tuple[str, ...]:
    """What the run over files in a folder writes of each video; nothing if there is no run, or it is damaged."""
    before = _read(folder / FilesStore._identity_file)
    options = before.get("options") if isinstance(before, dict) else None
    formats = options.get("formats") if isinstance(options, dict) else None
    return tuple(kind for kind in FORMATS if isinstance(formats, list) and kind in formats)


def fingerprint(path: Path | None) -> str:
    """Changes when a file or a folder of frames is replaced; reading the contents of all would take too long."""
    files = [] if path is None else list_images(path)[0] if path.is_dir() else [path]
    facts = []
    for file in files:
        with suppress(OSError):
            status = os.stat(file)
            facts.append((os.fsencode(file.name).hex(), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path) -> Any:
    """The contents of a JSON file; None if it is not there, or not whole."""
    try:
        return json.loads(path.read_bytes())
    except UNREADABLE:
        return None
