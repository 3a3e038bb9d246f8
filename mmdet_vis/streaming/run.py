"""Segment a stream and write what is found as it comes: the work behind ``tools/test_vis.py --stream``."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import TextColumn, TimeElapsedColumn

from mmdet_vis.api import VISModel
from mmdet_vis.choices import STREAM_FORMATS
from mmdet_vis.errors import ConfigError, OutputError, SourceError, counted, option
from mmdet_vis.files.atomic import check_outputs
from mmdet_vis.progress import bars
from mmdet_vis.run.options import RunOptions
from mmdet_vis.streaming.frames import FrameResult
from mmdet_vis.streaming.reader import StreamReader
from mmdet_vis.streaming.segment import segment_stream
from mmdet_vis.streaming.writers import FragmentedVideoWriter, JsonLinesWriter
from mmdet_vis.visualization.overlay import Style, draw_overlay
from mmdet_vis.visualization.tags import tag_text

_LOGGER = logging.getLogger(__name__)

_SUFFIXES = {"json": ".jsonl", "video": ".mp4"}


@dataclass
class StreamSummary:
    """What a run did.

    Attributes:
        frames: how many have results.
        seconds: from the first frame wanted to the last result.
        objects: how many different ones were found.
        category_frames: on how many frames each category was seen.
        dropped: frames of a live source that were left out.
        problem: what ended the stream before its end, if anything did.
    """

    frames: int = 0
    seconds: float = 0.0
    objects: int = 0
    category_frames: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    problem: SourceError | None = None


def stream_places(name: str, source: str, save_dir: Path, formats: Sequence[str], overwrite: bool) -> dict[str, Path]:
    """Files that the results of a stream go to, by format; makes their folder.

    Raises:
        ConfigError: a format that streams do not have.
        OutputError: a file cannot be written, is the input, or is there already and ``overwrite`` is not given: a
            recording of a live stream cannot be made again.
    """
    for kind in formats:
        if kind not in STREAM_FORMATS:
            raise ConfigError(f"{option('formats', kind)}: of a stream {' and '.join(STREAM_FORMATS)} are written")
    places = {kind: save_dir / f"{name}{_SUFFIXES[kind]}" for kind in formats}
    check_outputs(places.values(), [Path(source)])
    for place in places.values():
        if place.exists() and not overwrite:
            ways = f"{option('overwrite', True)} replaces it; or use another {option('save_dir')}"
            raise OutputError(f"{place} is there already: {ways}")
    return places


def run_stream(
    model: VISModel,
    reader: StreamReader,
    places: dict[str, Path],
    window: int,
    overlap: int,
    options: RunOptions,
    stop: Callable[[], bool],
) -> StreamSummary:
    """Segment a stream until it ends, breaks off (see ``problem`` of the summary) or ``stop`` says so.

    Args:
        reader: in its ``with`` block.
        places: from :func:`stream_places`.
        window, overlap, stop: see :func:`segment_stream`.

    Raises:
        OutputError: a result cannot be written.
    """
    summary = StreamSummary()
    how = options.algorithm("feature_memory", "score_thr")
    results = segment_stream(model, reader, window, overlap, stop=stop, **how)
    start = time.perf_counter()
    with ExitStack() as stack:
        line = TextColumn("{task.description}: {task.fields[frames]} frames{task.fields[dropped]}")
        bar = stack.enter_context(bars(line, TimeElapsedColumn()))
        task = bar.add_task(reader.name, total=None, frames=0, dropped="")
        writer = _Writer(stack, places, reader, options)
        said = 0
        try:
            for result in results:
                for note in reader.notes[said:]:
                    if options.strict:
                        raise SourceError(f"{note}; this is an error, as the run is strict")
                    _LOGGER.warning("%s", note)
                    said += 1
                writer.write(result)
                summary.frames += 1
                summary.objects = max([summary.objects, *(found.track_id for found in result.objects)])
                summary.category_frames.update({found.category for found in result.objects})
                summary.seconds = time.perf_counter() - start
                dropped = f", {reader.dropped} dropped" if reader.dropped else ""
                bar.update(task, frames=summary.frames, dropped=dropped)
        except SourceError as error:
            summary.problem = error
    summary.dropped = reader.dropped
    return summary


class _Writer:
    """All files of a stream; the video is opened with the first frame, whose size it has."""

    def __init__(self, stack: ExitStack, places: dict[str, Path], reader: StreamReader, options: RunOptions) -> None:
        self._stack = stack
        self._video_place = places.get("video")
        self._reader = reader
        self._show_thr = options.show_thr
        self._style: Style = "blend" if options.use_img else "overlay"
        self._video: FragmentedVideoWriter | None = None
        self._lines = stack.enter_context(JsonLinesWriter(places["json"])) if "json" in places else None

    def write(self, result: FrameResult) -> None:
        """Write a frame to all of them."""
        if self._lines is not None:
            self._lines.write(result)
        if self._video_place is None:
            return
        if self._video is None:
            height, width = result.image.shape[:2]
            rate, aspect = self._reader.fps, self._reader.pixel_aspect
            video = FragmentedVideoWriter(self._video_place, rate, (height, width), aspect)
            self._video = self._stack.enter_context(video)
        least = result.show_thr if self._show_thr is None else self._show_thr
        shown = [found for found in result.objects if found.score >= least]
        tags = [tag_text(found.category, found.score, found.track_id) for found in shown]
        masks, ids = [found.mask for found in shown], [found.track_id for found in shown]
        self._video.write(draw_overlay(result.image, masks, tags, ids, self._style), result.time)


def describe_stream(summary: StreamSummary, name: str, places: dict[str, Path]) -> str:
    """The closing lines of a run, for people."""
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    seen = ", ".join(f"{name} on {counted(count, 'frame')}" for name, count in summary.category_frames.most_common())
    found = f"{counted(summary.objects, 'object')}{f': {seen}' if seen else ''}"
    lines = [f"{name}: {counted(summary.frames, 'frame')}, {speed:.2f} frames/s, {found}"]
    if summary.dropped:
        lines.append(f"dropped: {counted(summary.dropped, 'frame')} that came while others were segmented")
    lines.append(f"results: {', '.join(str(place.resolve()) for place in places.values())}")
    return "\n".join(lines)
