"""Exports of CVAT in the format "CVAT for video 1.1" as YouTube-VIS annotations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from mmdet_vis.data.converters.builder import YtvisBuilder, check_frame_size, merge_masks, polygon_mask
from mmdet_vis.data.converters.folders import video_folders
from mmdet_vis.data.converters.xml_tree import parse_xml
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, encode_masks

ANNOTATIONS = "annotations.xml"


def convert_cvat(root: str | Path, progress: bool = False) -> YtvisBuilder:
    """Convert ``root/<video>/annotations.xml`` with its frames in ``images`` beside it (or ``root`` itself).

    A track is an object; tracks with one label and one ``group_id`` are parts of one object, which is also how mask
    tracks, which CVAT writes frame by frame, become objects. Polygons and masks count; tracks of other shapes are
    ignored and counted. Frame files are relative to ``root``.

    Args:
        root: folder of the unpacked exports.
        progress: show a progress bar.

    Raises:
        DatasetError: a file cannot be used; the message names it.
    """
    root = Path(root)
    builder = YtvisBuilder(f"CVAT exports of {root}")
    folders = video_folders(root, lambda path: (path / ANNOTATIONS).is_file(), f"an unpacked export ({ANNOTATIONS})")
    for folder, prefix in with_bar(folders, "videos", shown=progress):
        _add_video(builder, folder, prefix)
    return builder


@dataclass(frozen=True)
class _Task:
    """What the head of the file says; frame numbers count from ``start`` in steps of ``step``."""

    file: Path
    size: tuple[int, int]  # height, width
    length: int
    start: int
    step: int

    @classmethod
    def of(cls, tree: Element, file: Path) -> _Task:
        def number(path: str, default: str | None = None) -> int:
            text = tree.findtext(f"./meta//{path}", default)
            try:
                value = int(text or "")
            except ValueError:
                value = -1
            if value < 0:
                raise DatasetError(f"{file} has no number <{path}>: export the task as 'CVAT for video 1.1'")
            return value

        if tree.tag != "annotations" or tree.find("image") is not None:
            raise DatasetError(f"{file} is not in the format 'CVAT for video 1.1': export the task in it")
        step = (tree.findtext("./meta//frame_filter") or "").strip().removeprefix("step=")
        size = (number("original_size/height"), number("original_size/width"))
        length = number("size")
        if min(*size, length) == 0:
            raise DatasetError(f"{file} says that the video has no pixels or no frames: export the task again")
        check_frame_size(*size, f"{file}: original_size")
        return cls(
            file, size, length, number("start_frame", "0"), int(step) if step.isdecimal() and int(step) > 0 else 1
        )

    def position(self, shape: Element) -> int:
        """Which frame of the export a shape belongs to, from 0."""
        text = shape.get("frame", "")
        offset = int(text) - self.start if text.isdecimal() else -1
        if offset < 0 or offset % self.step or offset // self.step >= self.length:
            raise DatasetError(
                f"{self.file}: a <{shape.tag}> is in frame {text!r:.20}, but the task has {self.length} frames from "
                f"{self.start} in steps of {self.step}: export it again"
            )
        return offset // self.step


def _add_video(builder: YtvisBuilder, folder: Path, prefix: str) -> None:
    file = folder / ANNOTATIONS
    tree = parse_xml(file)
    task = _Task.of(tree, file)
    tracks: dict[tuple[str, str], defaultdict[int, list[RLE]]] = {}
    for number, track in enumerate(tree.iter("track")):
        label, group = track.get("label"), track.get("group_id")
        if not label:
            raise DatasetError(f"{file}: track {number} has no label: export the task again")
        key = f"group {group}" if group not in (None, "", "0") else f"track {number}"
        for shape in track:
            if shape.tag not in ("polygon", "mask"):
                continue
            position = task.position(shape)
            if shape.get("outside") == "1":
                continue
            frames = tracks.setdefault((label, key), defaultdict(list))
            frames[position].append(_mask(shape, task, f"{file}: track {track.get('id', number)}, frame {position}"))
        others = {shape.tag for shape in track} - {"polygon", "mask"}
        if others:
            builder.ignored[f"{min(others)} tracks"] += 1
    video_id = builder.add_video([prefix + name for name in _frames(folder, task)], *task.size)
    for label_element in tree.iterfind("./meta//label/name"):
        if label_element.text:
            builder.category_id(label_element.text)
    for (label, _), parts in tracks.items():
        masks = [merge_masks(parts.get(frame, [])) for frame in range(task.length)]
        builder.add_object(video_id, builder.category_id(label), masks)


def _frames(folder: Path, task: _Task) -> list[str]:
    """Files of the frames relative to the export's folder."""
    images = folder / "images"
    if not images.is_dir():
        raise DatasetError(f"{images} does not exist: export with 'Save images', or put the video's frames there")
    files = list_images(images)[0]
    if len(files) != task.length:
        raise DatasetError(f"{images} holds {len(files)} images, {task.file} has {task.length} frames: export again")
    return [f"images/{file.name}" for file in files]


def _mask(shape: Element, task: _Task, label: str) -> RLE:
    try:
        if shape.tag == "polygon":
            points = [[float(value) for value in point.split(",")] for point in shape.get("points", "").split(";")]
            return polygon_mask(points, *task.size)
        return _run_lengths(shape, *task.size)
    except (ValueError, DatasetError) as error:
        raise DatasetError(f"{label}: a {shape.tag} cannot be read ({error}): export the task again") from None


def _run_lengths(shape: Element, height: int, width: int) -> RLE:
    """The mask of CVAT's run lengths: row by row within a box, beginning with background.

    Raises:
        ValueError: the runs do not fill the box, or the box is not inside the frame.
    """
    left, top, columns, rows = (int(shape.get(key, "")) for key in ("left", "top", "width", "height"))
    runs = [int(run) for run in shape.get("rle", "").split(",")]
    if min(left, top) < 0 or min(columns, rows) < 1 or left + columns > width or top + rows > height:
        raise ValueError("its box is not inside the frame")
    if min(runs) < 0 or sum(runs) != columns * rows:
        raise ValueError("its runs do not fill its box")
    values = np.arange(len(runs)) % 2
    mask = np.zeros((1, height, width), np.uint8)
    mask[0, top : top + rows, left : left + columns] = np.repeat(values, runs).reshape(rows, columns)
    return encode_masks(mask)[0]
