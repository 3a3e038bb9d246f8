"""What a page can do with its video: segment it, read its state, correct it, undo, propagate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmdet_vis.api import Session, VideoResult, refine
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.corrections.check import tell_new_categories
from mmdet_vis.corrections.files import as_json
from mmdet_vis.errors import ConfigError, UserError, collected_warnings, counted
from mmdet_vis.propose_reduce import ProposeReduceSettings
from mmdet_vis.structures import RLE, InstanceSequence, empty_rle
from mmdet_vis.visualization.palette import track_colour
from mmdet_vis.webui.edits import describe, parse_edit, parse_prompt, pending_after
from mmdet_vis.webui.history import History
from mmdet_vis.webui.jobs import Jobs, Open, Progress
from mmdet_vis.webui.project import Project

MOST_PROMPTS = 200
"""Drawn on one video before they are propagated."""
_LOOKING = 0.3
"""Share of the time that the key frames take, about."""


class Actions:
    """Does what pages ask for.

    Args:
        jobs: takes what needs the model.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def segment(self, project: Project) -> None:
        """Segment the video, or do so again.

        Raises:
            UserError: it cannot be put into the queue.
        """

        def work(opened: Open, progress: Progress) -> str:
            return segment_project(project, opened(), progress)

        with project.lock:
            self._jobs.add(project, work, len(project.note.frame_names))
            if project.note.outcome != "ready":
                project.note.outcome = "new"
            project.say("")

    def stop(self, project: Project) -> None:
        """End the project's job."""
        self._jobs.stop(project)

    def state(self, project: Project, revision: int) -> dict[str, Any]:
        """All that a page shows but frames and masks.

        Args:
            project: of the page.
            revision: what the page knows of the tracks; -1 for nothing. They are left out if they are the same.
        """
        with project.lock:
            note, history = project.note, project.history
            state: dict[str, Any] = {
                "name": note.name,
                "outcome": note.outcome,
                "message": note.message,
                "wrong": note.wrong,
                "notes": note.notes,
                "height": note.height,
                "width": note.width,
                "fps": note.fps,
                "times": note.times,
                "frames": len(note.frame_names),
                "frames_ready": project.frames_ready,
                "threshold": note.threshold,
                "hidden": note.hidden,
                "job": self._jobs.status(project),
                "revision": project.revision,
            }
            if history is None:
                state["proposed"] = {frame: len(masks) for frame, masks in list(project.proposed.items())}
            if history is not None and project.revision != revision:
                state |= self._contents(history)
            return state

    def _contents(self, history: History) -> dict[str, Any]:
        result, edits = history.result, history.edits
        return {
            "tracks": [track_of(sequence, result.category_of(sequence)) for sequence in result.sequences],
            "categories": list(result.categories),
            "pending": pending_of(history),
            "undo": edits[-1]["title"] if edits else None,
            "redo": history.undone["title"] if history.undone else None,
            "edits": len(edits),
            "said": edits[-1].get("warnings", []) if edits else [],
        }

    def masks(self, project: Project, start: int, stop: int) -> dict[str, Any]:
        """Masks of some frames.

        Returns:
            ``revision``, and ``frames``: for each from ``start`` to ``stop - 1`` the runs of the visible objects by
            their ids. Before there is a result they are what was proposed on the frame.
        """
        history = project.history
        if history is None:
            proposed = [project.proposed.get(t, ()) for t in range(max(start, 0), stop)]
            return {"revision": -1, "frames": [dict(enumerate(masks, 1)) for masks in proposed]}
        with project.lock:
            result, revision = history.result, project.revision
        empty = empty_rle(result.height, result.width)["counts"]
        frames = [
            {s.track_id: s.masks[t]["counts"] for s in result.sequences if s.masks[t]["counts"] != empty}
            for t in range(max(start, 0), min(stop, result.num_frames))
        ]
        return {"revision": revision, "frames": frames}

    def edit(self, project: Project, edit: Mapping[str, Any], revision: int) -> None:
        """Correct the result: at once, or, for ``propagate``, in the queue.

        Args:
            project: of the page.
            edit: what the page asks for, see :mod:`mmdet_vis.webui.edits`.
            revision: that the page shows.

        Raises:
            UserError: one line for the page; nothing has changed.
        """
        with project.lock:
            history = self._current(project, revision)
            kind, result = edit.get("type"), history.result
            if kind == "propagate":
                self._propagate(project, history)
                return
            if self._jobs.status(project) is not None:
                raise UserError("this video is being worked on: wait, or stop that first")
            before = history.edits
            if kind == "undo":
                history.undo()
            elif kind == "redo":
                history.redo()
            elif kind in ("prompt", "withdraw"):
                with collected_warnings() as said:
                    data = self._prompt(edit, history)
                history.add(_step(data, result, said), result)
            else:
                if kind == "split":  # objects that are drawn have their numbers already
                    edit = {**edit, "new_id": _free_id(result, pending_of(history))}
                correction = parse_edit(edit)
                with collected_warnings() as said:
                    corrected = refine(result, [correction])
                history.add(_step(edit, result, said), corrected)
            # What the line at the top said of a job, or of another step, is no longer so.
            last = f"undone: {before[-1]['title']}" if kind == "undo" else f"last step: {history.edits[-1]['title']}"
            project.say(last)

    def _current(self, project: Project, revision: int) -> History:
        history = project.history
        if history is None:
            raise ConfigError("there is no result yet: wait, or segment the video")
        if project.revision != revision:
            raise UserError("this video was changed in another window: here is how it is now; do it again if need be")
        return history

    def _prompt(self, edit: Mapping[str, Any], history: History) -> dict[str, Any]:
        pending, result = pending_of(history), history.result
        if edit["type"] == "withdraw":
            data = {"type": "withdraw", "id": edit.get("id"), "frame": edit.get("frame")}
            if not any((p["id"], p["frame"]) == (data["id"], data["frame"]) for p in pending):
                raise ConfigError("nothing is drawn there")
            return data
        if len(pending) >= MOST_PROMPTS:
            raise ConfigError(f"{MOST_PROMPTS} frames wait to be propagated: propagate them first")
        prompt = parse_prompt(edit, result)
        tell_new_categories([prompt], [*result.categories, *_names(pending)])
        return {**as_json(prompt), "id": _free_id(result, pending) if prompt.id is None else prompt.id}

    def _propagate(self, project: Project, history: History) -> None:
        pending = pending_of(history)
        if not pending:
            raise ConfigError("nothing is drawn: draw an object on a frame first")
        result, revision = history.result, project.revision
        prompts = [parse_prompt(data, result) for data in pending]
        ids = sorted({data["id"] for data in pending})
        frames = len({data["frame"] for data in pending})

        def work(opened: Open, progress: Progress) -> str:
            progress(0.0, "Following what was drawn")
            with collected_warnings() as said:
                corrected = refine(
                    result,
                    prompts,
                    session=opened(),
                    progress=lambda done, total: progress(done / max(total, 1), f"Following, step {done}/{total}"),
                )
            with project.lock:
                step = _step({"type": "propagate", "ids": ids}, corrected, said)
                self._current(project, revision).add(step, corrected)
            return f"{counted(len(ids), 'object')} propagated from {counted(frames, 'drawn frame')}"

        self._jobs.add(project, work, len(project.note.frame_names) * len(ids))


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
    message = (
        f"{counted(result.num_frames, 'frame')} of {result.width}x{result.height} segmented in {seconds:.1f} s "
        f"({result.num_frames / seconds:.1f} frames/s, {session.model.precision.name})"
    )
    project.note.notes = list(dict.fromkeys([*project.note.notes, *said]))
    project.set_result(result, message, recommended(session.model.config).score_thr)
    return message


def pending_of(history: History) -> list[dict[str, Any]]:
    """The prompts that wait to be propagated."""
    pending: list[dict[str, Any]] = []
    for edit in history.edits:
        pending = pending_after(pending, edit)
    return pending


def _names(pending: list[dict[str, Any]]) -> list[str]:
    return [prompt["category"] for prompt in pending if "category" in prompt]


def _step(edit: Mapping[str, Any], result: VideoResult, said: list[str]) -> dict[str, Any]:
    """An edit as the history keeps it: with a title, and what the program said about it."""
    return {**edit, "title": describe(edit, result), **({"warnings": list(said)} if said else {})}


def _free_id(result: VideoResult, pending: list[dict[str, Any]]) -> int:
    return max([s.track_id for s in result.sequences] + [prompt["id"] for prompt in pending], default=0) + 1


def track_of(sequence: InstanceSequence, category: str) -> dict[str, Any]:
    """An object as the page shows it: when and how large it is seen, how sure that is, and what people said of it.

    ``runs`` are the stretches of frames in which it is visible without a gap, as (first, last), both included; ``area``
    is the mean over those frames, in pixels.
    """
    areas = sequence.areas
    seen = areas > 0
    edges = np.flatnonzero(np.diff(seen.astype(np.int8), prepend=0, append=0))
    blue, green, red = track_colour(sequence.track_id)
    values = sequence.confidence
    return {
        "id": sequence.track_id,
        "category": category,
        "score": sequence.score,
        "colour": [red, green, blue],
        "runs": [(int(start), int(stop) - 1) for start, stop in edges.reshape(-1, 2)],
        "frames": int(seen.sum()),
        "area": round(float(areas[seen].mean())) if seen.any() else 0,
        "by_hand": sequence.by_hand,
        "given": list(sequence.given),
        "confidence": None if values is None else [round(float(value), 2) for value in values],
    }
