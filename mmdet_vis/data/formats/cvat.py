"""Exports of CVAT in the format "CVAT for video 1.1": of a task, a job or a project."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from xml.etree.ElementTree import Element

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.cvat_frames import CvatTask, list_frames, match_frames
from mmdet_vis.data.formats.cvat_tracks import track_masks
from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.mask_folders import video_folders
from mmdet_vis.data.formats.mask_writing import file_name
from mmdet_vis.data.formats.shapes import merge_masks
from mmdet_vis.data.formats.xml_tree import parse_xml
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE

ANNOTATIONS = "annotations.xml"


def read_cvat(root: Path, images: Path | None = None, progress: bool = False) -> AnnotatedVideos:
    """Read ``root/<video>/annotations.xml`` with its frames in ``images`` beside it (or ``root`` itself).

    A track is an object; tracks with one label and one ``group_id`` are parts of one object, which is also how mask
    tracks, which CVAT writes frame by frame, become objects. Polygons and masks count; tracks of other shapes are left
    out and counted. A file of keyframes alone is interpolated. Frame files are relative to ``root``.

    Args:
        root: folder of the unpacked exports, or an XML file.
        images: folder of the frames (in folders called as the exports, if there are several) where they are not in
            the exports; frame files are then relative to it.
        progress: show a progress bar.

    Raises:
        DatasetError: a file cannot be used; the message names it.
    """
    if root.is_file():
        folders, base = [(root, "")], root.parent
    else:
        is_export = lambda path: (path / ANNOTATIONS).is_file()  # noqa: E731
        found_folders = video_folders(root, is_export, f"an unpacked export ({ANNOTATIONS})")
        folders, base = [(folder / ANNOTATIONS, prefix) for folder, prefix in found_folders], root
    found = AnnotatedVideos(f"CVAT exports of {root}", images or base)
    for file, prefix in with_bar(folders, "videos", shown=progress):
        _add_export(found, file, prefix, images)
    return found


def _add_export(found: AnnotatedVideos, file: Path, prefix: str, images: Path | None) -> None:
    tree = parse_xml(file)
    if tree.tag != "annotations" or tree.find("image") is not None or tree.find("./meta") is None:
        raise DatasetError(f"{file} is not in the format 'CVAT for video 1.1': export the task in it")
    tasks = [CvatTask.of(element, file) for element in _tasks(tree)]
    if images is None:
        folder, start = file.parent / "images", f"{prefix}images/"
    else:
        folder, start = (images / prefix, prefix) if prefix and (images / prefix).is_dir() else (images, "")
    frames = list_frames(folder, tasks, file)
    of_project = tree.find("./meta/project") is not None
    for task, files in zip(tasks, frames, strict=True):
        places, names = match_frames(task, files, found.notes)
        size = task.size or image_size(folder / names[0])
        name = prefix.rstrip("/") or file.resolve().parent.name
        if of_project:
            name = f"{prefix}{file_name(task.name or f'task {task.id}')}"
        video = found.add_video(name, [start + frame for frame in names], *size)
        tracks: dict[tuple[str, str], defaultdict[int, list[RLE]]] = {}
        for number, track in enumerate(tree.iter("track")):
            if of_project and track.get("task_id") != task.id:
                continue
            label, group = track.get("label"), track.get("group_id")
            if not label:
                raise DatasetError(f"{file}: track {number} has no label: export the task again")
            key = f"group {group}" if group not in (None, "", "0") else f"track {number}"
            parts = tracks.setdefault((label, key), defaultdict(list))
            for position, rle in track_masks(found.notes, track, number, task, places, size):
                parts[position].append(rle)
        for label_element in tree.iterfind("./meta//label/name"):
            if label_element.text:
                found.category(label_element.text)
        for (label, _), parts in tracks.items():
            if parts:
                found.add_track(video, label, [merge_masks(parts.get(frame, [])) for frame in range(len(names))])


def _tasks(tree: Element) -> list[Element]:
    """Elements with what the file says of each task; of a task or job, the one."""
    head = tree.find("./meta/*")
    return tree.findall("./meta/project/tasks/task") or ([] if head is None else [head])
