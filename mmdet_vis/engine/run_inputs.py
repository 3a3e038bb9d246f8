"""Segment videos and folders of frames, and write what was found: the work behind ``tools/test_vis.py --input-dir``."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.data.sources import FrameSource, open_source, unique_names
from mmdet_vis.engine.pictures import write_pictures
from mmdet_vis.errors import OutputError, SourceError
from mmdet_vis.evaluation.writers import sequence_annotations, write_results
from mmdet_vis.structures import VideoResult

FORMATS = ("json", "overlay", "video", "png")
DEFAULT_FORMATS = ("json", "overlay", "video")
EXIT_SOME_FAILED = 3
MAX_NAME = 240
"""Bytes of a file name, with room for a temporary ending."""


@dataclass
class RunOptions:
    """How videos are segmented and what is written.

    Attributes:
        key_num, mem_step, mem_max, use_cate_reduce, feature_memory, profile: see :func:`mmdet_vis.api.segment_video`.
        score_thr: lowest score of an entry of ``results.json``.
        show_thr: lowest score of a sequence that is drawn.
        use_img: draw as the original's demo: 70 % colour, 30 % image.
        formats: of :data:`FORMATS`.
    """

    key_num: int | None = None
    mem_step: int | None = None
    mem_max: int | None = None
    use_cate_reduce: bool = False
    feature_memory: str = "2GB"
    profile: str = "exact"
    score_thr: float = 0.05
    show_thr: float = 0.2
    use_img: bool = False
    formats: Sequence[str] = DEFAULT_FORMATS

    def segment(self, model: VISModel, source: FrameSource, progress: Callable[[int, int], None]) -> VideoResult:
        """Segment a video with these options, see :func:`mmdet_vis.api.segment_video`."""
        return segment_video(
            model,
            source,
            key_num=self.key_num,
            mem_step=self.mem_step,
            mem_max=self.mem_max,
            use_cate_reduce=self.use_cate_reduce,
            feature_memory=self.feature_memory,
            profile=self.profile,
            progress=progress,
        )


@dataclass
class Summary:
    """What a run did."""

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0
    sequences: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def check_places(inputs: Sequence[Path], save_dir: Path, formats: Sequence[str]) -> None:
    """Refuse to write results over the videos themselves, or names that the file system cannot take.

    Raises:
        OutputError: a result would overwrite or mix with an input.
    """
    taken = {path.resolve(): path for path in inputs}
    names = unique_names(inputs)
    for name in names:
        for place in (*_places(save_dir, name, formats).values(), save_dir / f"{name}.mp4"):
            own = place.resolve()
            for source, shown in taken.items():
                if own == source or source in own.parents:
                    raise OutputError(f"{place} would overwrite the input {shown}: choose another --save-dir")
            if len(place.name.encode()) > MAX_NAME:
                raise OutputError(f"{place.name[:40]}… is too long a name for results: rename the input")
        if f"{name}.mp4" in names and {"video", "overlay", "png"} & set(formats):
            raise OutputError(f"inputs {name} and {name}.mp4 would write to the same place: rename one of them")


def run_inputs(model: VISModel, inputs: Sequence[Path], save_dir: Path, options: RunOptions) -> Summary:
    """Segment videos and write the results as each is done.

    ``results.json`` is written anew after each video, so that an interrupted run keeps what it computed. A video that
    cannot be read is reported and skipped; the others are done.

    Args:
        inputs: frame folders and video files, from :func:`mmdet_vis.data.sources.find_inputs`.
        save_dir: must exist.

    Raises:
        SourceError: the only input cannot be read.
        OutputError: a result cannot be written.
    """
    summary = Summary()
    entries: list[dict[str, object]] = []
    with _progress() as bar:
        overall = bar.add_task("videos", total=len(inputs))
        for number, (path, name) in enumerate(zip(inputs, unique_names(inputs), strict=True), start=1):
            task = bar.add_task(name, total=None)
            try:
                with open_source(path) as source:
                    source.name = name
                    for line in source.warnings:
                        print(f"warning: {line}", file=sys.stderr)
                    result = _segment(model, source, options, summary, bar, task)
                    found = sequence_annotations(result, number, options.score_thr)
                    entries += [{**entry, "video_name": name} for entry in found]
                    if "json" in options.formats:
                        write_results(save_dir / "results.json", entries)
                    places = _places(save_dir, name, options.formats)
                    write_pictures(result, source, places, options.show_thr, options.use_img, bar)
            except SourceError as error:
                if len(inputs) == 1:
                    raise
                summary.failures.append(str(error))
                print(f"error: {error}", file=sys.stderr)
            bar.remove_task(task)
            bar.advance(overall)
    if "json" in options.formats:
        write_results(save_dir / "results.json", entries)
    return summary


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=not sys.stderr.isatty())


def _segment(
    model: VISModel, source: FrameSource, options: RunOptions, summary: Summary, bar: Progress, task: object
) -> VideoResult:
    start = time.perf_counter()
    result = options.segment(
        model,
        source,
        lambda done, total: bar.update(task, completed=done, total=total),  # type: ignore[arg-type]
    )
    seconds = time.perf_counter() - start
    summary.videos += 1
    summary.frames += result.num_frames
    summary.seconds += seconds
    shown = [result.category_of(s) for s in result.sequences if s.score >= options.show_thr]
    summary.sequences.update(shown)
    found = ", ".join(f"{n} {c}" for c, n in Counter(shown).most_common()) or "no object"
    bar.console.print(
        f"{result.name}: {result.num_frames} frames in {seconds:.1f} s "
        f"({result.num_frames / seconds:.2f} frames/s): {found}",
        markup=False,
        highlight=False,
    )
    return result


def _places(save_dir: Path, name: str, formats: Iterable[str]) -> dict[str, Path]:
    """Where the pictures of a video go, for each format that has any."""
    places = {"png": save_dir / name, "overlay": save_dir / name, "video": save_dir / f"{name}.mp4"}
    return {kind: place for kind, place in places.items() if kind in formats}


def describe(summary: Summary, save_dir: Path, formats: Iterable[str]) -> str:
    """The closing lines of a run, for people."""
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    found = ", ".join(f"{n} {c}" for c, n in summary.sequences.most_common()) or "no object"
    lines = [
        f"{summary.videos} videos, {summary.frames} frames, {speed:.2f} frames/s",
        f"found: {found}",
        f"results ({', '.join(formats)}): {save_dir.resolve()}",
    ]
    lines += [f"failed: {json.dumps(line)[1:-1]}" for line in summary.failures]
    return "\n".join(lines)
