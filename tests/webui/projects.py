"""Projects of the page with a result that is known, made without a model."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from mmdet_vis.api import VideoResult
from mmdet_vis.structures import InstanceSequence, encode_masks
from mmdet_vis.webui.project import JobOptions, Project, new_note
from tests.webui.clips import write_clip

HEIGHT, WIDTH, FRAMES = 64, 96, 20
CATEGORIES = ("cat", "dog", "bird")
# (label, score, top, left, height, width, first frame, last frame); each moves a pixel to the right per frame.
BOXES = (
    (0, 0.9, 5, 5, 20, 20, 0, 19),
    (1, 0.6, 35, 10, 20, 25, 0, 19),
    (2, 0.4, 10, 45, 15, 15, 4, 15),
    (0, 0.1, 45, 60, 10, 10, 0, 19),
)


def known_masks() -> np.ndarray:
    """The masks of the objects, ``[4, T, H, W]`` uint8."""
    masks = np.zeros((len(BOXES), FRAMES, HEIGHT, WIDTH), np.uint8)
    for number, (_, _, top, left, height, width, first, last) in enumerate(BOXES):
        for t in range(first, last + 1):
            masks[number, t, top : top + height, left + t : left + t + width] = 1
    return masks


def known_result(name: str = "clip") -> VideoResult:
    """Four objects, the last of which has a low score."""
    sequences = []
    for number, masks in enumerate(known_masks()):
        label, score = BOXES[number][:2]
        scores = np.full(len(CATEGORIES), 0.05, np.float32)
        scores[label] = score
        sequences.append(InstanceSequence(number + 1, label, score, scores, encode_masks(masks)))
    stems = [f"{t:05d}" for t in range(FRAMES)]
    return VideoResult(name, HEIGHT, WIDTH, FRAMES, sequences, CATEGORIES, (1, 2, 3), stems, 10.0)


def make_project(folder: Path) -> Project:
    """Make a project below ``folder``, segmented."""
    return Project(Path(shutil.copytree(_template(), folder / secrets.token_urlsafe(16))))


def make_project_of_many(folder: Path, objects: int) -> Project:
    """The same with so many objects, of frames without times."""
    project, result = make_project(folder), known_result()
    many = [replace(result.sequences[i % len(BOXES)], track_id=i + 1, score=0.9) for i in range(objects)]
    project.note.fps = None
    project.set_result(replace(result, fps=None, sequences=many), "segmented by hand")
    return project


@cache
def _template() -> Path:
    place = Path(tempfile.mkdtemp(prefix="mmdet_vis_test_"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "input").mkdir()
    write_clip(place / "input" / "clip.mp4", frames=FRAMES, height=HEIGHT, width=WIDTH)
    project = Project(place, new_note("clip", JobOptions(precision="float32")))
    project.write_frames(threading.Event())
    project.set_result(known_result(), "segmented by hand")
    return place
