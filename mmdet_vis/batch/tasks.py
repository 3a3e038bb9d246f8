"""What one worker does at a time: a video, or a part of a long one; and who does what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from mmdet_vis.batch.manifest import Entry
from mmdet_vis.errors import ConfigError
from mmdet_vis.run.workers import balance


@dataclass(frozen=True)
class Task:
    """A row for a worker: what to segment, as plain data; frames and masks are never in it.

    Attributes:
        id, uri, start, stop: see :class:`~mmdet_vis.batch.manifest.Entry`; of a part, its own range.
        number: of the video in the list, 1-based: its ``video_id`` in ``results.json``.
        chunk: 0-based number of the part.
        chunks: how many parts the video has; 1: it is whole.
        frames: about how many there are in the range; 0 if nobody knows.
    """

    id: str
    uri: str
    start: int = 0
    stop: int | None = None
    number: int = 1
    chunk: int = 0
    chunks: int = 1
    frames: int = 0

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Task:
        """The task of a row; what it lacks has its default, what is in it besides is left alone."""
        for key in ("id", "uri"):
            if not isinstance(row, Mapping) or not isinstance(row.get(key), str):
                raise ConfigError(f"a row must be {{'id': name, 'uri': path or address, ...}}, got {row!r:.60}")
        known = {field.name for field in fields(cls)}
        return cls(
            **{key: value for key, value in row.items() if key in known and (value is not None or key == "stop")}
        )

    def row(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def chunk_ranges(start: int, stop: int, chunk: int, overlap: int) -> list[tuple[int, int]]:
    """Cut frames into overlapping ranges of ``chunk`` frames, of which the last may be shorter.

    Each has frames that the one before has not: ``overlap`` fewer than it has in all. This depends on the video alone,
    so it is the same for any number of workers.
    """
    step = chunk - overlap
    number = max(-(-(stop - start - overlap) // step), 1)
    return [(start + k * step, min(start + k * step + chunk, stop)) for k in range(number)]


def tasks_of(entries: Sequence[Entry], chunk: int, overlap: int) -> list[Task]:
    """All tasks of a list, longest first; those of equal length in the order of the list.

    Args:
        chunk: a video of more frames is cut into ranges of so many; one whose length nobody knows is not.
        overlap: frames that neighbouring ranges share.
    """
    tasks = []
    for number, entry in enumerate(entries, start=1):
        length = entry.length
        if length is None or length <= chunk:
            tasks.append(Task(entry.id, entry.uri, entry.start, entry.stop, number, frames=entry.load))
            continue
        ranges = chunk_ranges(entry.start, entry.start + length, chunk, overlap)
        for k, (start, stop) in enumerate(ranges):
            # The header of a file may promise fewer frames than there are: the last range goes to the end.
            end = entry.stop if k == len(ranges) - 1 else stop
            tasks.append(Task(entry.id, entry.uri, start, end, number, k, len(ranges), stop - start))
    return sorted(tasks, key=lambda task: (-task.frames, task.number, task.chunk))


def share_of(tasks: Sequence[Task], part: int, parts: int) -> list[Task]:
    """The tasks of one of several parts of about equal work; the same for the same list, whatever is done already."""
    return [tasks[index] for index in balance([task.frames or 1 for task in tasks], parts)[part]]


def left(tasks: Sequence[Task], done: Collection[str], chunks: Mapping[str, Collection[str]]) -> list[Task]:
    """The tasks that still have to be done.

    Args:
        done: ids of the videos that have a result.
        chunks: of videos that have none, the :func:`chunk_name` of each part that is there. If all are, the last one is
            handed out again, to be joined with the others.
    """
    found = []
    for task in tasks:
        if task.id in done:
            continue
        there = chunks.get(task.id, ())
        whole = task.chunks > 1 and all(chunk_name(k, task.chunks) in there for k in range(task.chunks))
        last = task.chunk == task.chunks - 1
        if task.chunks == 1 or chunk_name(task.chunk, task.chunks) not in there or (whole and last):
            found.append(task)
    return found


def chunk_name(chunk: int, chunks: int) -> str:
    """Name of the file of a part."""
    return f"{chunk:06d}-of-{chunks:06d}.json"
