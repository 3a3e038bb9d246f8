"""The loop over the videos of a run, alike for files and datasets: one that fails is named, the others are done."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import torch

from mmdet_vis.api import VISModel
from mmdet_vis.choices import ENDINGS
from mmdet_vis.errors import SourceError, is_out_of_memory
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.run.job import Job
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.pictures import write_pictures
from mmdet_vis.run.progress import RunProgress
from mmdet_vis.run.report import Failure, ShardReport
from mmdet_vis.structures import VideoResult

_LOGGER = logging.getLogger(__name__)


class Records(Protocol):
    """What keeps the results, such as a :class:`~mmdet_vis.run.store.RunStore`."""

    def save(self, job: Job, result: VideoResult, score_thr: float) -> None:
        """Write the record of a video, whose pictures are written; from then on it is done."""

    def update_results(self) -> None:
        """Write the results of all videos that are done, if it is time."""


def run_jobs(
    model: VISModel,
    jobs: Sequence[Job],
    store: Records,
    options: RunOptions,
    progress: RunProgress,
    alone: bool = False,
    first: bool = True,
) -> ShardReport:
    """Segment videos one after the other, and write the results of each as it is done.

    One that cannot be read, or needs too much memory, is reported and left out.

    Args:
        jobs: this process's share of the run's.
        store: prepared.
        options: how videos are segmented and what is written.
        alone: the run has no other video: that it cannot be read is an error.
        first: this process keeps ``results.json`` up to date.

    Raises:
        SourceError: the only video cannot be read.
        OutputError: a result cannot be written.
    """
    options = options.complete(model.config)
    report = ShardReport(device=str(model.device))
    start = time.perf_counter()
    for number, job in enumerate(jobs, start=1):
        before = time.perf_counter()
        failure, result = _run_job(model, job, store, options, progress)
        if result is None:
            # Here the error is gone, and with it what the frames of its traceback held.
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
            line = job.failure(failure)
            if alone:
                raise SourceError(line)
            report.failures.append(Failure(job.id, job.name, failure, line))
            progress.finished(job, True, f"[{number}/{len(jobs)}] {job.name}: failed")
            _LOGGER.error("%s", line)
            continue
        seconds = time.perf_counter() - before
        shown = Counter(result.category_of(s) for s in result.shown(options.show_thr))
        report.add(result.num_frames, shown)
        found = ", ".join(f"{n} {c}" for c, n in shown.most_common()) or "no object"
        line = f"{result.num_frames} frames in {seconds:.1f} s ({result.num_frames / seconds:.2f} frames/s): {found}"
        progress.finished(job, False, f"[{number}/{len(jobs)}] {job.name}: {line}")
        if first:
            store.update_results()
    report.finish(time.perf_counter() - start, model.device)
    return report


def _run_job(
    model: VISModel, job: Job, store: Records, options: RunOptions, progress: RunProgress
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
            result = options.segment(model, source, lambda done, total: progress.part(job, done, total))
            for kind in ENDINGS.keys() & job.places.keys():
                ensure_writable_dir(job.places[kind].parent)
            write_pictures(result, source, job.places, options.show_thr, options.use_img, progress.bar)
        assert options.score_thr is not None  # as options are complete
        # Last, since this says that the video is done.
        store.save(job, result, options.score_thr)
        return "", result
    except SourceError as error:
        return str(error), None
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        length = f" for its {job.frames} frames" if job.frames else ""
        return (
            f"not enough memory{length} ({reason}): try --mem-max 40, a smaller --feature-memory, or another --device"
        ), None
