"""Segment a stream and write what is found as it comes: the work behind ``tools/test_vis.py --stream``.

What has been written stays readable if the program is killed the next moment.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
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
from mmdet_vis.visualization.overlay import Style, draw_overlay
from mmdet_vis.visualization.tags import tag_text
from mmdet_vis.visualization.video_writer import DEFAULT_FPS, TICKS, add_video_stream, encodable, find_encoder

_LOGGER = logging.getLogger(__name__)

_KEY_FRAME_EVERY = 50
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


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn errors of the operating system and of FFmpeg into one line about ``path``."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; what came before is kept") from error


class JsonLinesWriter:
    """One line of JSON for each frame, on its way to the disk as soon as it is written.

    A line is ``{"frame": 12, "time": 0.48, "objects": [{"id": 1, "category_id": 2, "category": "dog", "score": 0.93,
    "segmentation": {"size": [H, W], "counts": "…"}}, …]}``: the frame's number (dropped frames count), its seconds
    since the first frame (null without a clock), and the visible objects; ``category_id`` is 1-based.

    Args:
        path: file to write; an older one is replaced.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _named(path):
            # Without a buffer each line is one write: a reader sees whole lines.
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115  (closed by __exit__)

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, result: FrameResult) -> None:
        """Append the line of a frame."""
        objects = [
            {
                "id": found.track_id,
                "category_id": found.label + 1,
                "category": found.category,
                "score": round(found.score, 6),
                "segmentation": found.mask,
            }
            for found in result.objects
        ]
        time = None if result.time is None else round(result.time, 6)
        line = json.dumps({"frame": result.index, "time": time, "objects": objects}, separators=(",", ":"))
        with _named(self._path):
            self._append(line.encode() + b"\n")

    def _append(self, line: bytes) -> None:
        """Write a line, or nothing of it: a disk that fills up takes what fits and says so with the next write."""
        length = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(length)
                self._file.seek(length)
            raise


class FragmentedVideoWriter:
    """An mp4 that grows frame by frame and can be played at any time: each frame is a fragment of its own.

    Frames are shown at their times, so that dropped frames do not make the video faster. An odd width or height is
    made even by repeating the last column or row.

    Args:
        path: file to write; an older one is replaced.
        fps: frames per second of the source; None means 6. Used for frames without a time, and to plan the encoding.
        size: (height, width) of the frames.
        pixel_aspect: width of a pixel over its height.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(
        self, path: Path, fps: float | None, size: tuple[int, int], pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        rate = fps if fps and math.isfinite(fps) else DEFAULT_FPS
        self._path = path
        self._step = max(round(TICKS / rate), 1)
        self._next = 0
        encoder, options = find_encoder()
        if encoder == "libx264":
            options = {**options, "tune": "zerolatency"}  # The encoder holds no frame back.
        with _named(path):
            path.write_bytes(b"")  # FFmpeg opens it with the first frame only; a bad path should show now.
            # An empty index at the front, then fragments; flush_packets hands each to the operating system.
            options_of_file = {"movflags": "+frag_every_frame+empty_moov+default_base_moof", "flush_packets": "1"}
            self._container: Any = av.open(str(path), "w", format="mp4", options=options_of_file)
            chosen = encoder, {**options, "g": str(_KEY_FRAME_EVERY)}
            exact = Fraction(rate).limit_denominator(1001)
            self._stream = add_video_stream(self._container, chosen, exact, size, pixel_aspect, TICKS)

    def __enter__(self) -> FragmentedVideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            with _named(self._path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
        except OutputError:
            if kind is None:  # Otherwise what went wrong first is what the user should read.
                raise

    def write(self, image: NDArray[np.uint8], time: float | None) -> None:
        """Append a frame, ``[H, W, 3]`` uint8, BGR, shown ``time`` seconds after the first one."""
        picture = encodable(image)
        picture.time_base = Fraction(1, TICKS)
        earliest = max(self._next - self._step + 1, 0)  # after the frame before
        picture.pts = self._next if time is None else max(round(time * TICKS), earliest)
        self._next = picture.pts + self._step
        with _named(self._path):
            for packet in self._stream.encode(picture):
                packet.duration = packet.duration or self._step
                self._container.mux(packet)
