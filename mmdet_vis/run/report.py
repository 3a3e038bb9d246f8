"""The end of a run: what it did, the results of all videos, the submission, and the metrics if they are asked for."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.formats.json_files import RESULTS_MEMBER
from mmdet_vis.errors import ConfigError, DatasetError, counted, option
from mmdet_vis.evaluation.of_dataset import annotations_of, davis_truth, evaluate_folder
from mmdet_vis.evaluation.submission import write_davis_zip
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.files.zips import write_zip
from mmdet_vis.run.job import Job
from mmdet_vis.run.store import RunStore


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


def finish_dataset(
    store: RunStore,
    dataset: VideoDataset,
    jobs: Sequence[Job],
    reports: Sequence[ShardReport],
    formats: Sequence[str],
) -> dict[str, Any]:
    """Write what a run over a dataset ends with; returns its summary, see :func:`summarize`.

    ``results.json`` has the entries of all videos that are done, in the order of the dataset. ``submission.zip`` is
    what the benchmark's server takes. ``summary.json`` is apart from them, so that equal results are equal files.

    Raises:
        OutputError: a file cannot be written.
    """
    store.write_results()
    done, needed = store.done(), submitted_format(dataset)
    whole = [job for job in jobs if job.id in done and (needed != "png" or job.has_pictures(job.frames, ("png",)))]
    submission = store.folder / "submission.zip"
    if not whole or needed not in formats:
        submission.unlink(missing_ok=True)  # of an earlier run
    elif needed == "png":
        write_davis_zip(submission, store.folder / "png", [job.name for job in whole])
    else:
        write_zip(submission, [(RESULTS_MEMBER, store.folder / RESULTS_MEMBER)], compress=True)
    summary = summarize(dataset.name, jobs, done, reports)
    kept = {key: value for key, value in summary.items() if key not in ("sequences", "failed")}
    atomic_write(store.folder / "summary.json", json.dumps(kept, indent=2) + "\n")
    if summary["this_run"]["videos"]:
        (store.folder / "metrics.json").unlink(missing_ok=True)  # Of fewer results, from before this run.
    return summary


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


def submitted_format(dataset: VideoDataset) -> str:
    """What the benchmark's server takes, and the evaluation reads: J&F is of index PNGs, AP of the sequences."""
    return "png" if dataset.submission == "davis" else "json"


def check_can_evaluate(dataset: VideoDataset, formats: Sequence[str]) -> None:
    """Find out before the run whether its results can be evaluated.

    Raises:
        DatasetError, ConfigError: the dataset has no annotations, or ``formats`` lack what the evaluation reads.
    """
    if dataset.submission == "davis":
        davis_truth(dataset)
    elif annotations_of(dataset) is None:
        raise DatasetError(
            f"{option('evaluate', True)}: {dataset.ann_file or dataset.name} has no annotations: leave it out, and "
            "upload submission.zip to the benchmark's server"
        )
    if (needed := submitted_format(dataset)) not in formats:
        raise ConfigError(f"{option('evaluate', True)} needs {needed} among the {option('formats')} of this dataset")


def evaluate_run(store: RunStore, dataset: VideoDataset) -> None:
    """Print the metrics and write ``metrics.json``, see :func:`~mmdet_vis.evaluation.of_dataset.evaluate_folder`."""
    metrics = evaluate_folder(store.folder, dataset)
    print(metrics.table())
    atomic_write(store.folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")
