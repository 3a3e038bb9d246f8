"""Which images of a CVAT export are which frames of its tasks: the XML file does not say."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.mask_writing import file_name
from mmdet_vis.data.formats.shapes import check_frame_size
from mmdet_vis.data.sources import is_inside, natural_key
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.data.sources.naming import last_number
from mmdet_vis.errors import DatasetError, option

_FRAME = re.compile(r"frame_(\d{6,9})(?:_(\d{1,6}))?", re.IGNORECASE)
MAX_FRAMES = 10**7
_DEPTH = 8


@dataclass(frozen=True)
class CvatTask:
    """What the head of the file says of a task; frames are numbered from ``start`` in steps of ``step``.

    Attributes:
        file: the XML file, for messages.
        id, name, subset: as in the file.
        size: (height, width) of the frames; None for tasks of images, where each may have its own.
        length: frames, deleted ones included.
    """

    file: Path
    id: str
    name: str
    subset: str
    size: tuple[int, int] | None
    length: int
    start: int
    step: int

    @classmethod
    def of(cls, element: Element, file: Path) -> CvatTask:
        """Read the head.

        Raises:
            DatasetError: a number is missing or wrong.
        """

        def number(path: str, default: str | None = None) -> int:
            text = (element.findtext(f".//{path}", default) or "").strip()
            if not text.isdecimal() or len(text) > 18:
                raise DatasetError(f"{file} has no number <{path}>: export the task as 'CVAT for video 1.1'")
            return int(text)

        size = None
        if element.find(".//original_size") is not None:
            size = (number("original_size/height"), number("original_size/width"))
            check_frame_size(*size, f"{file}: original_size")
        length = number("size")
        if length == 0 or length > MAX_FRAMES or (size is not None and min(size) == 0):
            raise DatasetError(f"{file} says that the video has no pixels or no frames: export the task again")
        step = (element.findtext(".//frame_filter") or "").strip().removeprefix("step=")
        texts = [(element.findtext(key) or "").strip() for key in ("id", "name", "subset")]
        every = int(step) if step.isdecimal() and len(step) < 10 and int(step) > 0 else 1
        return cls(file, texts[0], texts[1], texts[2], size, length, number("start_frame", "0"), every)

    def index(self, frame: str) -> int:
        """Which frame of the task a shape's ``frame`` is, from 0.

        Raises:
            DatasetError: it is none.
        """
        offset = int(frame) - self.start if frame.isdecimal() and len(frame) < 10 else -1
        if offset < 0 or offset % self.step or offset // self.step >= self.length:
            raise DatasetError(
                f"{self.file}: a shape is in frame {frame!r:.20}, but the task has {self.length} frames from "
                f"{self.start} in steps of {self.step}: export it again"
            )
        return offset // self.step


def list_frames(folder: Path, tasks: Sequence[CvatTask], file: Path, notes: Notes) -> list[list[str]]:
    """Images of each task relative to ``folder``: in a project, those of a subset are in a folder of its name.

    An export without images has those that CVAT would have written, in a folder of each task's name if it has several.

    Raises:
        DatasetError: there are none and nothing says how large they are, or there are not as many as the tasks of one
            subset have together.
    """
    if not tasks:
        raise DatasetError(f"{file} says nothing of a task: export it as 'CVAT for video 1.1'")
    if not folder.is_dir() or not _below(folder, ""):
        if any(task.size is None for task in tasks):
            raise DatasetError(
                f"{folder} has no images, and {file} does not say how large the frames are: export with 'Save images', "
                f"put them there, or name their folder ({option('images')})"
            )
        notes.guessed[
            "frames whose images are not in the export, taken to be called frame_NNNNNN.png (export with 'Save "
            "images', or give the frames' folder)"
        ] += sum(task.length for task in tasks)
        start = [f"{file_name(task.name)}/" if len(tasks) > 1 else "" for task in tasks]
        return [
            [f"{place}frame_{task.start + index * task.step:06d}.png" for index in range(task.length)]
            for place, task in zip(start, tasks, strict=True)
        ]
    if len(tasks) == 1:
        return [_below(folder, tasks[0].subset if is_inside(tasks[0].subset) else "")]
    frames = []
    for task in tasks:
        siblings = [other for other in tasks if other.subset == task.subset]
        place = siblings.index(task)
        names = _below(folder, task.subset if is_inside(task.subset) else "")
        matches = [_FRAME.fullmatch(Path(name).stem) for name in names]
        if all(matches):  # CVAT numbers what would have the name of another task's frame.
            numbered = [(name, int(m[2] or 0)) for name, m in zip(names, matches, strict=True) if m]
            frames.append([name for name, number in numbered if number == place])
            continue
        if len(names) != sum(other.length for other in siblings):
            raise DatasetError(
                f"{folder} holds {len(names)} images for {len(siblings)} tasks of {sum(o.length for o in siblings)} "
                f"frames together, and their names do not tell them apart: export the tasks of {file} one by one"
            )
        before = sum(other.length for other in siblings[:place])
        frames.append(names[before : before + task.length])
    return frames


def _below(folder: Path, subset: str) -> list[str]:
    """Images in a folder (that of the subset in it, if there is one) and in its sub-folders, in natural order."""
    base = folder / subset if subset and os.path.isdir(folder / subset) else folder
    names: list[str] = []
    level = [base]
    for _ in range(_DEPTH):
        for place in level:
            names += [file.relative_to(folder).as_posix() for file in list_images(place)[0]]
        level = [path for place in level for path in sorted(place.iterdir()) if path.is_dir() and not path.is_symlink()]
    return sorted(names, key=natural_key)


def match_frames(task: CvatTask, names: list[str], notes: Notes) -> tuple[dict[int, int], list[str]]:
    """Positions of the frames whose images are there, by their index in the task; and the images.

    CVAT leaves deleted frames out of the images, but counts them.

    Raises:
        DatasetError: there are more images than frames, or fewer and their names do not tell which.
    """
    indices = _by_name(task, names)
    if indices is None:
        if len(names) != task.length:
            raise DatasetError(
                f"the task of {task.file} has {task.length} frames, there are {len(names)} images, whose names do not "
                "tell which frames are missing: restore the deleted frames in CVAT and export again, or call the "
                "images frame_NNNNNN"
            )
        if sorted(names) != names:
            notes.guessed["frames in the order of the numbers in their names, which is not that of their letters"] += 1
        indices = dict(enumerate(names))
    if not indices:
        raise DatasetError(f"there is no image of the task of {task.file}: export with 'Save images'")
    if len(indices) < len(names):
        notes.left_out["images that are no frames of the task"] += len(names) - len(indices)
    if len(indices) < task.length:
        notes.guessed["frames without an image, taken as deleted in CVAT"] += task.length - len(indices)
    ordered = sorted(indices)
    return {index: place for place, index in enumerate(ordered)}, [indices[index] for index in ordered]


def _by_name(task: CvatTask, names: list[str]) -> dict[int, str] | None:
    """Images by the index of the frame that their names tell; None if they do not tell."""
    matches = [_FRAME.fullmatch(Path(name).stem) for name in names]
    if names and all(matches):
        numbers = [int(match[1]) for match in matches if match]
        absolute = {(n - task.start) // task.step: name for n, name in zip(numbers, names, strict=True)
                    if n >= task.start and (n - task.start) % task.step == 0
                    and (n - task.start) // task.step < task.length}  # fmt: skip
        relative = {n: name for n, name in zip(numbers, names, strict=True) if n < task.length}
        return relative if len(relative) > len(absolute) else absolute
    if len(names) == task.length or not names:
        return None
    found = [number for name in names if (number := last_number(Path(name).stem)) is not None]
    if len(found) == len(names) and found == sorted(set(found)) and found[-1] - found[0] + 1 == task.length:
        return {number - found[0]: name for number, name in zip(found, names, strict=True)}
    return None
