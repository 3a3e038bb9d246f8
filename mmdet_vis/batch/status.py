"""What workers reported, kept as Parquet while a batch runs, so that a driver that is killed loses seconds of it.

And what it comes to in the end: what is done, how fast it went, and what failed for which reason.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet_vis.batch.manifest import Entry
from mmdet_vis.batch.store import STATUS, BatchStore
from mmdet_vis.batch.tables import read_parquet, write_parquet
from mmdet_vis.batch.worker import DONE, PART
from mmdet_vis.errors import OutputError, counted, few, option

TABLE = "status.parquet"
LEFT = "left"
"""Status of a video that nobody has done yet."""
_NAMED = 3
"""Videos that are named for each reason why some failed."""
_ROWS, _SECONDS = 1000, 10.0
"""After so many rows, or so long, they are written."""


class StatusLog:
    """The rows of one process, written a part at a time to ``OUT/status/``; used in its ``with`` block.

    Args:
        store: of the batch.
    """

    def __init__(self, store: BatchStore) -> None:
        self._storage = store.storage
        self._name = f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._rows: list[Mapping[str, Any]] = []
        self._parts = 0
        self._written = time.monotonic()

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a row. Raises :class:`OutputError`: those so far cannot be written."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS or time.monotonic() - self._written > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet. Raises :class:`OutputError`: it cannot be."""
        if self._rows:
            write_parquet(self._storage, f"{STATUS}/{self._name}-{self._parts:06d}.parquet", self._rows, "status")
            self._parts += 1
            self._rows = []
        self._written = time.monotonic()

    def __enter__(self) -> StatusLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            self.flush()
        except OutputError:
            if kind is None:  # Else what went wrong first is what the user should read.
                raise


@dataclass
class VideoStatus:
    """What is known of one video.

    Attributes:
        status: ``done``, ``failed``, ``crashed``, or ``left``.
        frames, seconds: of all its parts; None where nobody said.
        error: why it has no result.
        warnings: lines.
        rows: the last one of each of its parts.
    """

    status: str
    frames: int | None = None
    seconds: float | None = None
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    rows: list[Mapping[str, Any]] = field(default_factory=list)


def tables(store: BatchStore) -> list[str]:
    """Names of the tables with rows, oldest first."""
    return [TABLE, *(f"{STATUS}/{name}" for name in store.storage.names(STATUS) if name.endswith(".parquet"))]


def read_rows(store: BatchStore, names: Iterable[str]) -> list[dict[str, Any]]:
    """All rows of tables; one that is damaged, or not there, is left out."""
    rows: list[dict[str, Any]] = []
    for name in names:
        with suppress(OSError, ValueError), store.storage.read_from(name) as path:
            rows += read_parquet(path)
    return rows


def videos_of(rows: Iterable[Mapping[str, Any]], done: set[str], entries: Sequence[Entry]) -> dict[str, VideoStatus]:
    """What is known of each video of a list. A result says more than a row: rows may be lost, results are not.

    Rows come oldest first, and what is said later of the same part counts; ``done`` are the ids that have a result.
    """
    parts: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        known = parts[row["id"]]
        # Rows of the whole video and of its parts do not add up: a video may have been done again.
        if known and next(iter(known.values()))["chunks"] != row["chunks"]:
            known.clear()
        known[row["chunk"]] = row
    found = {}
    for entry in entries:
        rows_of_parts = [parts[entry.id][k] for k in sorted(parts.get(entry.id, {}))]
        good = [row for row in rows_of_parts if row["status"] in (DONE, PART)]
        bad = [row for row in rows_of_parts if row["status"] not in (DONE, PART)]
        status = DONE if entry.id in done else bad[0]["status"] if bad else LEFT
        lines = dict.fromkeys(line for row in rows_of_parts for line in (row["warnings"] or "").splitlines())
        whole = bool(good) and len(good) == max(row["chunks"] for row in rows_of_parts)
        found[entry.id] = VideoStatus(
            status=status,
            frames=_sum(good, "frames") if whole else None,
            seconds=_sum(good, "seconds") if whole else None,
            error=bad[0]["error"] if bad and status != DONE else None,
            warnings=list(lines),
            rows=rows_of_parts,
        )
    return found


def write_status(store: BatchStore, entries: Sequence[Entry], videos: Mapping[str, VideoStatus]) -> None:
    """Write ``OUT/status.parquet``: in the order of the list a row for each video that is done, and the rows of others.

    Raises:
        OutputError: it cannot be written.
    """
    rows: list[Mapping[str, Any]] = []
    for entry in entries:
        video = videos[entry.id]
        if video.status != DONE:
            rows += video.rows
            continue
        facts = {"id": entry.id, "uri": entry.uri, "start": entry.start, "stop": entry.stop, "chunk": 0, "chunks": 1}
        facts |= {"status": DONE, "frames": video.frames, "seconds": video.seconds, "result_uri": store.place(entry.id)}
        host = video.rows[-1]["host"] if video.rows else None
        rows.append({**facts, "warnings": "\n".join(video.warnings) or None, "host": host})
    write_parquet(store.storage, TABLE, rows, "status")


def other_sources(entries: Sequence[Entry], videos: Mapping[str, VideoStatus]) -> list[str]:
    """Ids of videos that are done, but of something else than the list says now."""
    return [
        entry.id
        for entry in entries
        for row in videos[entry.id].rows[:1]
        if row["uri"] != entry.uri or (row["chunks"] == 1 and (row["start"], row["stop"]) != (entry.start, entry.stop))
    ]


def _sum(rows: Sequence[Mapping[str, Any]], key: str) -> Any:
    values = [row[key] for row in rows if row[key] is not None]
    return sum(values) if values else None


def summarize(
    entries: Sequence[Entry], videos: Mapping[str, VideoStatus], rows: int, frames: int, seconds: float, workers: int
) -> dict[str, Any]:
    """Counts, speed and failures, as a JSON object; times in seconds.

    Failures that differ in numbers alone count as one, under the reason of the first of them. ``rows``, ``frames``,
    ``seconds`` and ``workers`` are what this run did: tasks that went well, their frames, how long it took, where.
    """
    states = [videos[entry.id].status for entry in entries]
    failures: dict[str, list[str]] = defaultdict(list)
    shown: dict[str, str] = {}
    for entry in entries:
        video = videos[entry.id]
        if video.status not in (DONE, LEFT):
            reason = reason_of(video.error or "unknown", entry)
            failures[shown.setdefault(re.sub(r"\d+(\.\d+)?", "N", reason), reason)].append(entry.id)
    return {
        "videos": len(entries),
        "videos_done": states.count(DONE),
        "videos_left": states.count(LEFT),
        "videos_failed": len(states) - states.count(DONE) - states.count(LEFT),
        "frames_done": sum(videos[entry.id].frames or 0 for entry in entries if videos[entry.id].status == DONE),
        "this_run": {
            "tasks": rows,
            "frames": frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(frames / seconds, 3) if frames and seconds else None,
            "workers": workers,
        },
        "failures": [
            {"reason": reason, "videos": len(ids), "ids": ids}
            for reason, ids in sorted(failures.items(), key=lambda item: (-len(item[1]), item[0]))
        ],
    }


def reason_of(error: str, entry: Entry) -> str:
    """A reason without the place and the name of the video."""
    text = error.replace(entry.uri, "").lstrip(": ")
    for name in (entry.id, Path(entry.uri).stem):
        text = text.removeprefix(f"{name}: ")
    return text or error


def describe(summary: Mapping[str, Any]) -> str:
    """The report for people."""
    run = summary["this_run"]
    lines = [
        f"{summary['videos_done']} of {counted(summary['videos'], 'video')} done, "
        f"{counted(summary['frames_done'], 'frame')}"
    ]
    if run["frames"]:
        lines.append(
            f"this run: {counted(run['tasks'], 'task')}, {counted(run['frames'], 'frame')} in {run['seconds']:.1f} s, "
            f"{run['frames_per_second']:.2f} frames/s with {max(run['workers'], 1)} "
            f"worker{'s' if run['workers'] > 1 else ''}"
        )
    else:
        lines.append("this run: no video was done" if summary["videos_failed"] else "this run: nothing was left to do")
    for failure in summary["failures"]:
        named = few(failure["ids"], _NAMED)
        lines.append(f"failed: {failure['videos']}: {' '.join(failure['reason'].splitlines())} ({named})")
    if summary["videos_left"]:
        lines.append(f"left: {counted(summary['videos_left'], 'video')} that nobody has done yet")
    if summary["videos_failed"] or summary["videos_left"]:
        lines.append(f"the results lack these videos; {option('resume', True)} tries them again")
    return "\n".join(lines)
