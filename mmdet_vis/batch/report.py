"""The end of a batch: what is done, how fast it went, and what failed for which reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet_vis.batch.manifest import Entry
from mmdet_vis.batch.status import LEFT, VideoStatus
from mmdet_vis.batch.worker import DONE
from mmdet_vis.errors import counted, few, option

_NAMED = 3
"""Videos that are named for each reason."""


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
