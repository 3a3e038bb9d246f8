"""The loop over the videos of a run: one that fails is named, the others are done. And the account of what the loops of
all processes did.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from mmdet_vis.api import VISModel
from mmdet_vis.choices import ENDINGS
from mmdet_vis.errors import SourceError, counted, is_out_of_memory, one_line, option
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.progress import RunProgress
from mmdet_vis.run.job import Job, write_pictures
from mmdet_vis.run.options import RunOptions
from mmdet_vis.structures import VideoResult

_LOGGER = logging.getLogger(__name__)

Save = Callable[[Job, VideoResult, float], None]
"""Keeps the record of a video, whose pictures are written, with the lowest score of ``results.json``."""


@dataclass(frozen=True)
class Failure:
    """A video that could not be done, why, and the line for people that says so."""

    video_id: int
    name: str
    error: str
    line: str


@dataclass
class ShardReport:
    """What one process did in this run.

    Attributes:
        device: where; empty if there was nothing to do.
        videos, frames, seconds: what was done and how long it took, reading and writing included.
        sequences: how many of each category are drawn.
        peak_memory: largest resident size of the process, in bytes; 0 where that cannot be told.
        peak_gpu_memory: most memory that was allocated on the GPU, in bytes; 0 on the CPU.
        failures: videos that were left out.
    """

    device: str = ""
    videos: int = 0
    frames: int = 0
    seconds: float = 0.0
    sequences: Counter[str] = field(default_factory=Counter)
    peak_memory: int = 0
    peak_gpu_memory: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, frames: int, sequences: Counter[str]) -> None:
        """Count a video of so many frames, in which these are drawn."""
        self.videos, self.frames = self.videos + 1, self.frames + frames
        self.sequences.update(sequences)

    def finish(self, seconds: float, device: torch.device) -> None:
        """Note how long all took and how much memory."""
        self.seconds = seconds
        with suppress(ImportError):  # Windows counts otherwise.
            import resource

            unit = 1 if sys.platform == "darwin" else 1024
            self.peak_memory = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if device.type == "cuda":
            self.peak_gpu_memory = torch.cuda.max_memory_allocated(device)


def run_jobs(
    model: VISModel | None,
    jobs: Sequence[Job],
    save: Save,
    options: RunOptions,
    progress: RunProgress,
    alone: bool = False,
    update: Callable[[], None] | None = None,
) -> ShardReport:
    """Segment videos one after the other, and write the results of each as it is done.

    One that cannot be read, or needs too much memory, is reported and left out.

    Args:
        model: None if nothing is asked of one.
        jobs: this process's share of the run's.
        save: called last for each video: from then on it is done.
        options: complete, see :meth:`RunOptions.complete`.
        alone: the run has no other video: that it cannot be read is a :class:`SourceError`.
        update: called after each video, such as to write the results of those so far.

    Raises:
        OutputError: a result cannot be written.
    """
    device = torch.device("cpu") if model is None else model.device
    report = ShardReport(device=str(device))
    start = time.perf_counter()
    for number, job in enumerate(jobs, start=1):
        before = time.perf_counter()
        failure, result = _run_job(model, job, save, options, progress)
        title = f"[{number}/{len(jobs)}] {job.name}"
        if result is None:
            # Here the error is gone, and with it what the frames of its traceback held.
            if device.type == "cuda":
                torch.cuda.empty_cache()
            line = job.failure(failure)
            if alone:
                raise SourceError(line)
            report.failures.append(Failure(job.id, job.name, failure, line))
            progress.finished(job.id, True, f"{title}: failed")
            _LOGGER.error("%s", line)
            continue
        seconds = time.perf_counter() - before
        shown = Counter(result.category_of(s) for s in result.shown(options.show_thr))
        report.add(result.num_frames, shown)
        found = ", ".join(f"{n} {c}" for c, n in shown.most_common()) or "no object"
        speed = f"{seconds:.1f} s ({result.num_frames / seconds:.2f} frames/s)"
        line = f"{counted(result.num_frames, 'frame')} in {speed}: {found}"
        progress.finished(job.id, False, f"{title}: {line}")
        if update is not None:
            update()
    report.finish(time.perf_counter() - start, device)
    return report


def _run_job(
    model: VISModel | None, job: Job, save: Save, options: RunOptions, progress: RunProgress
) -> tuple[str, VideoResult | None]:
    """Segment a video and write all of its results; returns them, or why it could not be done."""
    try:
        with job.open() as source:
            if options.strict and source.warnings:
                others = len(source.warnings) - 1
                more = f" (and {others} more)" if others else ""
                return f"{source.warnings[0]}{more}; this is an error, as the run is strict", None
            for line in source.warnings:
                _LOGGER.warning("%s", line)
            result = options.segment(model, source, lambda done, total: progress.part(job.id, done, total))
            for kind in ENDINGS.keys() & job.places.keys():
                ensure_writable_dir(job.places[kind].parent)
            write_pictures(result, source, job.places, options.show_thr, options.use_img, progress.bar)
        assert options.score_thr is not None  # as options are complete
        save(job, result, options.score_thr)
        return "", result
    except SourceError as error:
        return str(error), None
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = one_line(error, 200)
        length = f" for its {counted(job.frames, 'frame')}" if job.frames else ""
        ways = f"try {option('mem_max', 40)}, a smaller {option('feature_memory')}, or another {option('device')}"
        return f"not enough memory{length} ({reason}): {ways}", None


def summarize(name: str, jobs: Sequence[Job], done: set[int], reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Counts, speed, memory and failures of a run, of whose ``jobs`` these ids are ``done``, now or earlier.

    Returns:
        a JSON object, sizes in bytes and times in seconds; but for its ``sequences``, how many of each category are
        drawn, and ``failed``, the lines of videos that could not be done.
    """
    finished = [job for job in jobs if job.id in done]
    videos, frames = sum(report.videos for report in reports), sum(report.frames for report in reports)
    seconds = max(report.seconds for report in reports)
    failures = sorted((f for report in reports for f in report.failures), key=lambda f: f.video_id)
    return {
        "dataset": name,
        "videos": len(jobs),
        "videos_done": len(finished),
        "frames_done": sum(job.frames or 0 for job in finished),
        "this_run": {
            "videos": videos,
            "frames": frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(frames / seconds, 3) if frames else None,
            "devices": [report.device for report in reports if report.device],
            "peak_memory": max(report.peak_memory for report in reports),
            "peak_gpu_memory": max(report.peak_gpu_memory for report in reports),
        },
        "failures": [{"video_id": f.video_id, "name": f.name, "error": f.error} for f in failures],
        "sequences": sum((report.sequences for report in reports), Counter()),
        "failed": [failure.line for failure in failures],
    }


def describe(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    run = summary["this_run"]
    frames = f", {counted(summary['frames_done'], 'frame')}" if summary["frames_done"] else ""
    videos = counted(summary["videos"], "video")
    lines = [f"{summary['dataset']}: {summary['videos_done']} of {videos} done{frames}"]
    if run["frames"]:
        number = len(run["devices"])
        memory = f"{run['peak_memory'] / 2**30:.2f} GB"
        if run["peak_gpu_memory"]:
            memory += f", {run['peak_gpu_memory'] / 2**30:.2f} GB of the GPU"
        lines.append(
            f"this run: {counted(run['videos'], 'video')}, {counted(run['frames'], 'frame')} in "
            f"{run['seconds']:.1f} s, {run['frames_per_second']:.2f} frames/s on "
            f"{', '.join(sorted(set(run['devices'])))}"
            f"{f' with {number} processes' if number > 1 else ''}; peak memory {memory}"
            f"{' in a process' if number > 1 else ''}"
        )
        found = ", ".join(f"{n} {c}" for c, n in summary["sequences"].most_common()) or "no object"
        lines.append(f"found: {found}")
    else:
        lines.append("this run: no video was left to do" if not summary["failed"] else "this run: no video was done")
    # A line each, whatever a file's name holds.
    lines += [f"failed: {' '.join(line.splitlines())}" for line in summary["failed"]]
    if summary["failed"]:
        lines.append(f"the results lack these videos; {option('resume', True)} tries them again")
    return "\n".join(lines)
