"""A video of the page, segmented."""

from __future__ import annotations

import time

from mmdet_vis.api import Session
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.errors import collected_warnings, counted
from mmdet_vis.propose_reduce import ProposeReduceSettings
from mmdet_vis.structures import RLE, VideoResult
from mmdet_vis.webui.jobs import Progress
from mmdet_vis.webui.project import Project

_LOOKING = 0.3
"""Share of the time that the key frames take, about."""


def segment_project(project: Project, session: Session, progress: Progress) -> str:
    """Segment a project's video: its result holds every sequence, whatever its score; the page has the threshold.

    Args:
        project: gets the result.
        session: of its video, with the model in the precision that the project asks for.
        progress: may raise to end the job.

    Returns:
        one line about how long it took.

    Raises:
        SourceError: the video cannot be read.
        ConfigError: an option cannot be used.
        OutputError: the result cannot be written.
    """
    options = project.note.options
    progress(0.0, f"Looking for objects in {counted(len(session.video), 'frame')}")
    project.proposed.clear()
    settings = build_settings(session.model.config, options.key_num)
    most = settings.key_num if isinstance(settings, ProposeReduceSettings) else 1

    def on_key(frame: int, masks: list[RLE]) -> None:
        project.proposed[frame] = [mask["counts"] for mask in masks]
        share = _LOOKING * min(len(project.proposed) / min(most, len(session.video)), 1)
        progress(share, f"Looking for objects: {counted(len(masks), 'candidate')} on frame {frame}")

    def on_frame(done: int, total: int) -> None:
        progress(_LOOKING + (0.95 - _LOOKING) * done / total, f"Following objects, step {done}/{total}")

    start = time.perf_counter()
    with collected_warnings() as said:
        result = session.segment(
            key_num=options.key_num,
            profile=options.profile,
            on_key=on_key,
            progress=on_frame,
        )
    seconds = time.perf_counter() - start
    progress(0.97, "Saving the result")
    message = summary(result, seconds, session.model.precision.name)
    project.note.notes = list(dict.fromkeys([*project.note.notes, *said]))
    project.set_result(result, message, recommended(session.model.config).score_thr)
    return message


def summary(result: VideoResult, seconds: float, precision: str) -> str:
    """One line on a run."""
    return (
        f"{counted(result.num_frames, 'frame')} of {result.width}x{result.height} segmented in {seconds:.1f} s "
        f"({result.num_frames / seconds:.1f} frames/s, {precision})"
    )
