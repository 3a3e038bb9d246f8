"""The end of a run over a dataset: results of all videos, the submission and a summary."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from mmdet_vis.data.datasets import DAVISDataset, VideoDataset
from mmdet_vis.data.datasets.ytvis import of_categories
from mmdet_vis.data.formats import write_results
from mmdet_vis.errors import ConfigError, DatasetError, UserError
from mmdet_vis.evaluation import davis, ytvis
from mmdet_vis.evaluation.davis.dataset import DavisSequence, annotated_sequences, annotations_of_frames
from mmdet_vis.evaluation.submission import write_davis_zip, write_ytvis_zip
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.progress import bars
from mmdet_vis.run.places import has_pictures
from mmdet_vis.run.store import RunStore


@dataclass(frozen=True)
class Failure:
    """A video that could not be read, and why."""

    video_id: int
    name: str
    error: str


@dataclass
class ShardReport:
    """What one process did in this run.

    Attributes:
        device: where; empty if there was nothing to do.
        videos, frames, seconds: what was done and how long it took, reading and writing included.
        peak_memory: largest resident size of the process, in bytes.
        peak_gpu_memory: most memory that was allocated on the GPU, in bytes; 0 on the CPU.
        failures: videos that were left out.
    """

    device: str = ""
    videos: int = 0
    frames: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    peak_gpu_memory: int = 0
    failures: list[Failure] = field(default_factory=list)


def finish(
    store: RunStore, dataset: VideoDataset, reports: Sequence[ShardReport], formats: Sequence[str], evaluate: bool
) -> bool:
    """Write what a run ends with, and print the summary.

    ``results.json`` has the entries of all videos that are done, in the order of the dataset. ``submission.zip`` is
    what the benchmark's server takes. ``summary.json`` is apart from them, so that equal results are equal files.

    Returns:
        whether there were videos that could not be read.

    Raises:
        OutputError: a file cannot be written.
        ResultsError, DatasetError: the evaluation was asked for and failed, though all videos could be read; the
            rest is written and printed before.
    """
    done = store.done()
    ids = [video.id for video in dataset.videos if video.id in done]
    if "json" in formats:
        write_results(store.folder / "results.json", store.entries(ids))
    _write_submission(store, dataset, done, formats)
    summary = summarize(dataset, done, reports)
    atomic_write(store.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    if summary["this_run"]["videos"]:
        (store.folder / "metrics.json").unlink(missing_ok=True)  # Of fewer results, from before this run.
    failed: UserError | None = None
    if evaluate:
        try:
            evaluate_run(store, dataset)
        except UserError as error:  # The results are there; only DAVIS needs those of every video.
            failed = error
    print(describe(summary))
    print(f"results ({', '.join(formats)}): {store.folder.resolve()}")
    if failed is not None:
        if not summary["failures"]:
            raise failed
        print(f"not evaluated: {failed}", file=sys.stderr)
    return bool(summary["failures"])


def _write_submission(store: RunStore, dataset: VideoDataset, done: set[int], formats: Sequence[str]) -> None:
    """Write what the benchmark's server takes, of the videos that are done; remove an older one if there is nothing."""
    path = store.folder / "submission.zip"
    videos = [video for video in dataset.videos if video.id in done]
    if dataset.submission == "davis":
        videos = [video for video in videos if "png" in formats and has_pictures(store.folder, video, ("png",))]
    if not videos or (dataset.submission == "ytvis" and "json" not in formats):
        path.unlink(missing_ok=True)
    elif dataset.submission == "davis":
        write_davis_zip(path, store.folder / "png", [video.name for video in videos])
    else:
        write_ytvis_zip(path, store.folder / "results.json")


def summarize(dataset: VideoDataset, done: set[int], reports: Sequence[ShardReport]) -> dict[str, Any]:
    """Counts, speed, memory and failures of a run, as a JSON object; sizes in bytes, times in seconds.

    Args:
        dataset: all videos.
        done: ids of those that have results, of this run or an earlier one that it resumed.
        reports: of each process of this run.
    """
    finished = [video for video in dataset.videos if video.id in done]
    videos, frames = sum(report.videos for report in reports), sum(report.frames for report in reports)
    seconds = max(report.seconds for report in reports)
    failures = sorted((f for report in reports for f in report.failures), key=lambda f: f.video_id)
    return {
        "dataset": dataset.name,
        "videos": len(dataset),
        "videos_done": len(finished),
        "frames_done": sum(len(video) for video in finished),
        "this_run": {
            "videos": videos,
            "frames": frames,
            "seconds": round(seconds, 3),
            "frames_per_second": round(frames / seconds, 3) if frames else None,
            "devices": [report.device for report in reports if report.device],
            "peak_memory": max(report.peak_memory for report in reports),
            "peak_gpu_memory": max(report.peak_gpu_memory for report in reports),
        },
        "failures": [asdict(failure) for failure in failures],
    }


def describe(summary: dict[str, Any]) -> str:
    """The summary for people."""
    run = summary["this_run"]
    lines = [
        f"{summary['dataset']}: {summary['videos_done']} of {summary['videos']} videos done, "
        f"{summary['frames_done']} frames"
    ]
    if run["frames"]:
        number = len(run["devices"])
        memory = f"{run['peak_memory'] / 2**30:.2f} GB"
        if run["peak_gpu_memory"]:
            memory += f", {run['peak_gpu_memory'] / 2**30:.2f} GB of the GPU"
        lines.append(
            f"this run: {run['videos']} videos, {run['frames']} frames in {run['seconds']:.1f} s, "
            f"{run['frames_per_second']:.2f} frames/s on {', '.join(sorted(set(run['devices'])))}"
            f"{f' with {number} processes' if number > 1 else ''}; peak memory {memory}"
            f"{' in a process' if number > 1 else ''}"
        )
    else:
        lines.append("this run: no video was left to do" if not summary["failures"] else "this run: no video was done")
    for failure in summary["failures"]:
        lines.append(f"failed: video {failure['video_id']} ({failure['name']}): {failure['error']}")
    if summary["failures"]:
        lines.append("the results lack these videos; --resume tries them again")
    return "\n".join(lines)


def check_can_evaluate(dataset: VideoDataset, formats: Sequence[str]) -> None:
    """Find out before the run whether its results can be evaluated.

    Raises:
        DatasetError: the dataset has no annotations, as most validation sets of benchmarks.
        ConfigError: what the evaluation reads is not among the formats.
    """
    if dataset.submission == "davis":
        _davis_truth(dataset)
    elif dataset.ann_file is None or not ytvis.load_annotations(dataset.ann_file).get("annotations"):
        raise DatasetError(
            f"--eval: {dataset.ann_file or dataset.name} has no annotations: leave it out, and upload submission.zip "
            "to the benchmark's server"
        )
    # J&F is of the index PNGs, AP of the sequences.
    needed = "png" if dataset.submission == "davis" else "json"
    if needed not in formats:
        raise ConfigError(f"--eval needs {needed} among the --format of this dataset")


def evaluate_run(store: RunStore, dataset: VideoDataset) -> None:
    """Print the metrics and write ``metrics.json``; what was left out counts as not found, where that is possible.

    Raises:
        ResultsError, DatasetError: there are no results for what must have some, or annotations are damaged.
    """
    progress = sys.stderr.isatty()
    metrics: davis.DavisMetrics | ytvis.YtvisMetrics
    if dataset.submission == "davis":
        metrics = davis.evaluate_sequences(store.folder / "png", _davis_truth(dataset), progress=progress)
    else:
        results = store.folder / "results.json"
        metrics = ytvis.evaluate(
            ytvis.load_results(results),
            of_categories(ytvis.load_annotations(str(dataset.ann_file)), dataset.category_ids),
            results_name=str(results),
            annotations_name=str(dataset.ann_file),
            progress=progress,
        )
    print(metrics.table())
    atomic_write(store.folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")


def _davis_truth(dataset: VideoDataset) -> list[DavisSequence]:
    """The index PNGs of a dataset that is measured by J&F.

    Raises:
        DatasetError: those of a video are missing.
    """
    if isinstance(dataset, DAVISDataset):
        return annotated_sequences(dataset.root, dataset.set_name, dataset.year, dataset.resolution)
    # An annotation file may hold the objects, but no void pixels.
    return [annotations_of_frames(video.name, video.frames) for video in dataset.videos]


REFRESH_SECONDS = 2.0


class DatasetProgress:
    """Bars over the videos that a run has to do, of all its processes; only the first process shows them.

    Args:
        frames: frames of each video to do, by id.
        done: gives the ids of the finished videos; those of other processes are known by their files only.
        shown: whether this process is the one that shows the bars.
    """

    def __init__(self, frames: Mapping[int, int], done: Callable[[], set[int]], shown: bool) -> None:
        self.bar = bars(shown=shown)
        self._frames = frames
        self._done = done
        self._shown = shown
        self._failed: set[int] = set()
        self._looked = 0.0
        self._videos = self.bar.add_task("videos", total=len(frames))
        self._swept = self.bar.add_task("frames", total=sum(frames.values()))
        self._finished_frames = 0.0

    def __enter__(self) -> DatasetProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def part(self, video_id: int, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a video of this process are done."""
        if self._shown:
            self.refresh()
            share = self._frames[video_id] * done / max(total, 1)
            self.bar.update(self._swept, completed=int(self._finished_frames + share))

    def video_finished(self, video_id: int, failed: bool, line: str) -> None:
        """A video of this process is done, or cannot be done; ``line`` says so."""
        if failed:
            self._failed.add(video_id)
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self.refresh(now=True)

    def wait(self, seconds: float) -> None:
        """Sleep, and show what other processes do meanwhile."""
        time.sleep(seconds)
        self.refresh()

    def refresh(self, now: bool = False) -> None:
        """Count the finished videos again, at most every few seconds unless ``now``."""
        if not self._shown or (not now and time.monotonic() - self._looked < REFRESH_SECONDS):
            return
        self._looked = time.monotonic()
        finished = (self._done() | self._failed) & self._frames.keys()
        self._finished_frames = sum(self._frames[video_id] for video_id in finished)
        self.bar.update(self._videos, completed=len(finished))
        self.bar.update(self._swept, completed=self._finished_frames)
