"""One video: segmented, drawn and packed for download."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.config.settings import recommended
from mmdet_vis.data.formats import sequence_annotations, write_davis_pngs, write_results
from mmdet_vis.data.sources import Frame, FrameSource, Prefetcher, open_source
from mmdet_vis.errors import UserError
from mmdet_vis.files.zips import write_zip
from mmdet_vis.structures import VideoResult
from mmdet_vis.visualization.overlay import render_frames
from mmdet_vis.visualization.video_writer import VideoWriter
from mmdet_vis.webui.limits import HeadSource, frames_wanted
from mmdet_vis.webui.tracks import Track, timeline_svg, tracks_of

FRAMES_READ_AT_ONCE = 8
_LONGEST_NAME = 60

Progress = Callable[[float, str], None]
"""Called with the share of the work that is done, 0 to 1, and what is being done."""


class JobStoppedError(UserError):
    """The user stopped the job; raised by a :data:`Progress`."""


@dataclass(frozen=True)
class JobOptions:
    """What a user chooses for a video.

    Attributes:
        key_num: frames that objects are proposed from; None is the config's number.
        score_thr: lowest score of an object that is shown and saved, in [0, 1]; None is what the model recommends.
        profile: ``exact`` or ``fast``, see :func:`mmdet_vis.api.segment_video`; None is what the model recommends.
        max_frames, max_seconds: only the first frames of the video are used; None for all.
    """

    key_num: int | None = None
    score_thr: float | None = None
    profile: str | None = None
    max_frames: int | None = None
    max_seconds: float | None = None


@dataclass(frozen=True)
class JobResult:
    """What the page shows of a video.

    Attributes:
        overlay: H.264 mp4.
        results: YouTube-VIS results, JSON.
        pngs: zip of indexed PNGs as DAVIS wants them.
        tracks: the objects, best first.
        timeline: an ``<svg>`` element.
        summary: one line.
        notes: lines about what was left out.
    """

    overlay: Path
    results: Path
    pngs: Path
    tracks: list[Track]
    timeline: str
    summary: str
    notes: list[str]


def run_job(model: VISModel, path: Path, folder: Path, options: JobOptions, progress: Progress) -> JobResult:
    """Segment a video and write its results.

    Args:
        model: from :func:`mmdet_vis.api.load_model`.
        path: the video.
        folder: where the results go; it exists.
        options: see there.
        progress: may raise to end the job.

    Raises:
        SourceError: the video cannot be read.
        ConfigError: an option cannot be used.
        OutputError: a result cannot be written.
    """
    progress(0.0, "Reading the video")
    with open_source(path) as whole:
        source = HeadSource(whole, frames_wanted(whole, options.max_frames, options.max_seconds))
        # It names files, and folders in a zip, on whichever system the user has.
        source.name = re.sub(r"[^\w.-]+", "_", whole.name)[:_LONGEST_NAME]
        notes = [line.removeprefix(f"{path}: ") for line in source.warnings]
        if len(source) < len(whole):
            notes.append(f"only the first {len(source)} of {len(whole)} frames were used")
        progress(0.02, f"Looking for objects in {len(source)} frames")
        start = time.perf_counter()
        result = segment_video(
            model,
            source,
            key_num=options.key_num,
            profile=options.profile,
            score_thr=options.score_thr,
            progress=lambda done, total: progress(
                0.05 + 0.75 * done / total, f"Following objects, step {done}/{total}"
            ),
        )
        seconds = time.perf_counter() - start
        result = replace(result, sequences=result.shown(options.score_thr))
        overlay = _draw(result, source, folder, progress)
    progress(0.98, "Packing the results")
    tracks = tracks_of(result)
    return JobResult(
        overlay=overlay,
        results=_write_json(result, folder, options.score_thr or recommended(model.config).score_thr),
        pngs=_write_pngs(result, folder),
        tracks=tracks,
        timeline=timeline_svg(tracks, result.num_frames, result.fps),
        summary=_summary(result, seconds, model.precision.name),
        notes=notes,
    )


def _draw(result: VideoResult, source: FrameSource, folder: Path, progress: Progress) -> Path:
    path = folder / f"{result.name}_overlay.mp4"
    size = (result.height, result.width)
    with VideoWriter(path, result.fps, size, source.times, source.pixel_aspect) as video:
        # The result holds what is to be shown: no threshold here.
        for count, frame in enumerate(render_frames(result, _frames(source), 0.0), start=1):
            video.write(frame)
            progress(0.8 + 0.17 * count / len(source), f"Drawing frame {count}/{len(source)}")
    return path


def _frames(source: FrameSource) -> Iterator[Frame]:
    chunks = ((t, min(t + FRAMES_READ_AT_ONCE, len(source))) for t in range(0, len(source), FRAMES_READ_AT_ONCE))
    with Prefetcher(source, chunks) as ahead:
        for _, _, frames in ahead:
            yield from frames


def _write_json(result: VideoResult, folder: Path, score_thr: float) -> Path:
    path = folder / f"{result.name}.json"
    found = sequence_annotations(result, 1, score_thr)
    write_results(path, [{**entry, "video_name": result.name} for entry in found])
    return path


def _write_pngs(result: VideoResult, folder: Path) -> Path:
    path, pictures = folder / f"{result.name}_png.zip", folder / "png"
    write_davis_pngs(result, pictures)
    write_zip(path, [(f"{result.name}/{file.name}", file) for file in sorted(pictures.iterdir())], compress=False)
    shutil.rmtree(pictures)
    return path


def _summary(result: VideoResult, seconds: float, precision: str) -> str:
    count = len(result.sequences)
    objects = "no object" if count == 0 else "1 object" if count == 1 else f"{count} objects"
    return (
        f"{result.name}: {objects} in {result.num_frames} frames of {result.width}x{result.height}, "
        f"segmented in {seconds:.1f} s ({result.num_frames / seconds:.1f} frames/s, {precision})"
    )
