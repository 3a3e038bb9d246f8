"""Exports of CVAT in the formats "CVAT for video 1.1" and "CVAT for images 1.1": of a task, a job or a project."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.cvat_frames import CvatTask, list_frames, match_frames
from mmdet_vis.data.formats.cvat_images import add_images
from mmdet_vis.data.formats.cvat_tracks import BY_ATTRIBUTE, SHAPES, linked, track_masks
from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.mask_folders import video_folders
from mmdet_vis.data.formats.mask_writing import file_name
from mmdet_vis.data.formats.shapes import merge_masks
from mmdet_vis.data.sources.folder import list_files
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE

ANNOTATIONS = "annotations.xml"


def export_file(folder: Path) -> Path | None:
    """The XML file of an unpacked export: ``annotations.xml``, or the only one, if it is of CVAT; None if none is."""
    files = [file for file in list_files(folder, ".xml") if file.is_file()]
    named = [file for file in files if file.name.lower() == ANNOTATIONS]
    if named or len(files) != 1:
        return named[0] if named else None
    with files[0].open("rb") as stream:
        head = stream.read(_HEAD).replace(b"\0", b"")  # also of UTF-16
    return files[0] if b"<annotations" in head else None


_HEAD = 2**12


def read_cvat(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read ``root/<video>/annotations.xml`` with its frames in ``images`` beside it (or ``root`` itself, or one file).

    A track is an object; tracks with one label and one ``group_id``, or one attribute ``track_id`` or ``id``, are parts
    of one object, which is also how mask tracks, which CVAT writes frame by frame, become objects. Polygons and masks
    count; tracks of other shapes are left out and counted. A file of keyframes alone is interpolated. Frame files are
    relative to ``root``, or to the folder of the images that is given. About exports for images see
    :mod:`.cvat_images`.

    Raises:
        DatasetError: a file cannot be used; the message names it.
    """
    if root.is_file():
        folders, base = [(root, "")], root.parent
    else:
        is_export = lambda path: export_file(path) is not None  # noqa: E731
        found_folders = video_folders(root, is_export, f"an unpacked export ({ANNOTATIONS})")
        folders = [(file, prefix) for folder, prefix in found_folders if (file := export_file(folder)) is not None]
        base = root
    found = AnnotatedVideos(f"CVAT exports of {root}", options.images or base)
    for file, prefix in with_bar(folders, "videos", shown=options.progress):
        _add_export(found, file, prefix, options.images)
    return found


def _add_export(found: AnnotatedVideos, file: Path, prefix: str, images: Path | None) -> None:
    tree = parse_xml(file)
    if tree.tag != "annotations" or tree.find("./meta") is None:
        raise DatasetError(
            f"{file} is not in the format 'CVAT for video 1.1' (it begins with <{tree.tag:.20}>): export the task in it"
        )
    tags = len(tree.findall(".//tag"))
    if tags:
        found.notes.left_out["tags of frames"] += tags
    for label_name in tree.iterfind("./meta//label/name"):
        if label_name.text:
            found.category(label_name.text)
    export = prefix.rstrip("/") or file.resolve().parent.name
    folder, start = _folder(file, prefix, images)
    if tree.find("image") is not None:
        add_images(found, tree, file, folder, start, export)
        return
    head = tree.find("./meta/*")  # of a task or job, it is the one
    of_tasks = tree.findall("./meta/project/tasks/task") or ([] if head is None else [head])
    tasks = [CvatTask.of(element, file) for element in of_tasks]
    frames = list_frames(folder, tasks, file, found.notes)
    of_project = tree.find("./meta/project") is not None
    for task, files in zip(tasks, frames, strict=True):
        places, names = match_frames(task, files, found.notes)
        size = task.size or image_size(folder / names[0])
        name = f"{prefix}{file_name(task.name or f'task {task.id}')}" if of_project else export
        video = found.add_video(name, [start + frame for frame in names], *size)
        tracks: dict[tuple[str, str], defaultdict[int, list[RLE]]] = {}
        members: defaultdict[tuple[str, str], list[Element]] = defaultdict(list)
        for number, track in enumerate(tree.iter("track")):
            if of_project and track.get("task_id") != task.id:
                continue
            label = track.get("label")
            if not label:
                raise DatasetError(f"{file}: track {number} has no label: export the task again")
            key = linked(track) or f"track {number}"
            parts = tracks.setdefault((label, key), defaultdict(list))
            members[label, key].append(track)
            for position, rle in track_masks(found.notes, track, number, task, places, size):
                parts[position].append(rle)
        for (label, key), parts in tracks.items():
            if key.startswith("id ") and len(members[label, key]) > 1:
                found.notes.guessed[BY_ATTRIBUTE] += 1
            if parts or any(shape.tag in SHAPES for track in members[label, key] for shape in track):
                found.add_track(video, label, [merge_masks(parts.get(frame, [])) for frame in range(len(names))])


def parse_xml(file: Path) -> Element:
    """Parse an XML file that declares no entities.

    A few entities that contain each other expand to gigabytes, and external ones read other files; annotation tools
    write none.

    Raises:
        DatasetError: the file cannot be read, is not XML, or declares entities.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise DatasetError(f"{file} declares XML entities, which no annotation tool does: export it again")

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: builder.start(tag, attributes)
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(file.read_bytes(), True)
        return builder.close()
    except expat.ExpatError as error:
        raise DatasetError(f"{file} is not valid XML ({error}): export it again") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not have
        raise DatasetError(f"{file} cannot be read as XML ({error}): export it again") from None
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror}") from None


def _folder(file: Path, prefix: str, images: Path | None) -> tuple[Path, str]:
    """The folder of an export's frames, and how their names begin."""
    if images is None:
        return file.parent / "images", f"{prefix}images/"
    return (images / prefix, prefix) if prefix and (images / prefix).is_dir() else (images, "")
