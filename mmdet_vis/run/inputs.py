"""Segment videos and folders of frames, and write what was found: the work behind ``tools/test_vis.py --input-dir``."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.progress import Progress, TaskID

from mmdet_vis.api import VISModel
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.data.sources import FrameSource, open_source, unique_names
from mmdet_vis.errors import OutputError, SourceError, is_out_of_memory
from mmdet_vis.progress import bars
from mmdet_vis.run.identity import NOT_IN_IDENTITY, compute_settings, model_identity
from mmdet_vis.run.inputs_store import Input, InputsStore
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.pictures import write_pictures
from mmdet_vis.structures import VideoResult

EXIT_SOME_FAILED = 3
MAX_NAME = 240
"""Bytes of a file name, with room for a temporary ending."""


@dataclass
class Summary:
    """What a run did.

    Attributes:
        videos, frames, seconds: how many were segmented, and how long that took.
        earlier: videos that a run before had finished.
        sequences: how many of each category are drawn.
        failures: why videos were left out.
    """

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0
    earlier: int = 0
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


def find_places(inputs: Sequence[Path], save_dir: Path, formats: Sequence[str]) -> list[Input]:
    """The videos of a run with their names and the places of their results."""
    named = zip(inputs, unique_names(inputs), strict=True)
    return [Input(path, name, _places(save_dir, name, formats)) for path, name in named]


def inputs_identity(
    config: Config, checkpoint: Path, options: RunOptions, device: str, precision: str, compile: bool
) -> dict[str, Any]:
    """Everything that the results of a run depend on besides its videos, as a JSON object.

    Args:
        config: with the user's options applied.
        checkpoint: the weights.
        options: of segmenting and writing.
        device, precision, compile: see :func:`mmdet_vis.run.identity.compute_settings`.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ConfigError: the device is not there, or cannot do that precision.
    """
    settings = {key: value for key, value in asdict(options).items() if key not in NOT_IN_IDENTITY}
    return model_identity(config, checkpoint, settings | compute_settings(device, precision, compile))


def run_inputs(model: VISModel, inputs: Sequence[Input], store: InputsStore, options: RunOptions) -> Summary:
    """Segment videos and write the results as each is done.

    ``results.json`` is written anew from time to time and whenever the run ends, also by an interruption, so what was
    computed is kept. A video that cannot be read, or needs too much memory, is reported and skipped; the others are
    done.

    Args:
        inputs: from :func:`find_places`.
        store: of the same inputs, prepared; what is finished there is not done again.
        options: how videos are segmented and what is written.

    Raises:
        SourceError: the only input cannot be read.
        OutputError: a result cannot be written.
    """
    summary = Summary()
    try:
        with bars() as bar:
            overall = bar.add_task("videos", total=len(inputs))
            for video in inputs:
                if store.is_finished(video):
                    summary.earlier += 1
                else:
                    failure = _run_video(model, video, store, options, summary, bar)
                    if failure and len(inputs) == 1:
                        raise SourceError(failure)
                    if failure:
                        summary.failures.append(failure)
                        print(f"error: {failure}", file=sys.stderr)
                bar.advance(overall)
    except BaseException:
        with suppress(OutputError):  # What went wrong first is what the user should read.
            store.write_results()
        raise
    store.write_results()
    return summary


def _run_video(
    model: VISModel, video: Input, store: InputsStore, options: RunOptions, summary: Summary, bar: Progress
) -> str:
    """Segment a video and write all of its results; returns why it could not be done, empty if it was."""
    task = bar.add_task(video.name, total=None)
    failure = ""
    try:
        with open_source(video.path) as source:
            source.name = video.name
            for line in source.warnings:
                print(f"warning: {line}", file=sys.stderr)
            result = _segment(model, source, options, summary, bar, task)
            write_pictures(result, source, video.places, options.show_thr, options.use_img, bar)
        store.finish(video, result.num_frames, sequence_annotations(result, 0, options.score_thr))
    except SourceError as error:
        failure = str(error)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        failure = f"{video.path}: not enough memory ({reason}): try --mem-max 40, or a smaller --feature-memory"
    finally:
        bar.remove_task(task)
    return failure


def _segment(
    model: VISModel, source: FrameSource, options: RunOptions, summary: Summary, bar: Progress, task: TaskID
) -> VideoResult:
    start = time.perf_counter()
    result = options.segment(
        model,
        source,
        lambda done, total: bar.update(task, completed=done, total=total),
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
    if summary.earlier:
        lines.insert(0, f"{summary.earlier} videos were finished before")
    lines += [f"failed: {json.dumps(line)[1:-1]}" for line in summary.failures]
    return "\n".join(lines)
