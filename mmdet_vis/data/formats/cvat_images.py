"""Exports of CVAT in the format "CVAT for images 1.1": shapes by image, objects by what links them over images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.cvat_tracks import BY_ATTRIBUTE, SHAPES, encloses, linked, shape_mask
from mmdet_vis.data.formats.shapes import check_frame_size, merge_masks
from mmdet_vis.data.sources import is_inside, natural_key
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE


def add_images(found: AnnotatedVideos, tree: Element, file: Path, folder: Path, start: str, name: str) -> None:
    """Add the images of an export: the frames of one video for each folder, or each a video.

    Shapes of one label with one ``group_id``, or one attribute such as ``track_id``, are one object of their video.
    Where nothing links any shapes, every image is a video of one frame, as in COCO files of stills.

    Args:
        tree, file: the XML file and what is in it.
        folder: of the images, whose names begin with ``start``, relative to the folder of all exports.
        name: of the export.

    Raises:
        DatasetError: a name or size of an image, or a shape, cannot be read.
    """
    images = tree.findall("image")
    is_tracked = any(linked(shape) is not None for image in images for shape in image if shape.tag in SHAPES)
    groups: defaultdict[str, list[Element]] = defaultdict(list)
    for image in images:
        path = _name(image, file)
        groups[path.rpartition("/")[0] if is_tracked else path].append(image)
    if not is_tracked and len(images) > 1:
        found.notes.facts["images, each of which is a video of one frame (nothing links their shapes)"] += len(images)
    for group, members in groups.items():
        members.sort(key=lambda image: natural_key(_name(image, file)))
        names = [_kept(folder, _name(member, file)) for member in members]
        title = "/".join(part for part in (name, group.rpartition(".")[0] if not is_tracked else group) if part)
        _add_video(found, members, [start + name for name in names], title, file)


def _kept(folder: Path, name: str) -> str:
    """What an export calls an image: CVAT names it by its path on the server, of which the last part may be kept."""
    last = name.rpartition("/")[2]
    return last if os.path.isfile(folder / last) and not os.path.isfile(folder / name) else name


def _add_video(found: AnnotatedVideos, images: Sequence[Element], names: list[str], title: str, file: Path) -> None:
    sizes = [_size(image, file) for image in images]
    if len(set(sizes)) > 1:
        raise DatasetError(f"{file}: the images of {title} have different sizes: a video must have one size")
    video = found.add_video(title, names, *sizes[0])
    tracks: dict[tuple[str, str], defaultdict[int, list[RLE]]] = {}
    for frame, image in enumerate(images):
        for number, shape in enumerate(image):
            if shape.tag not in SHAPES:
                if shape.tag != "tag":  # counted for the whole file
                    found.notes.left_out[f"{shape.tag} shapes"] += 1
                continue
            if not encloses(shape, found.notes):
                continue
            label = shape.get("label")
            if not label:
                raise DatasetError(f"{file}: shape {number} of {names[frame]} has no label: export the task again")
            key = linked(shape) or f"{frame} {number}"
            mask = shape_mask(shape, sizes[0], f"{file}: {names[frame]}")
            tracks.setdefault((label, key), defaultdict(list))[frame].append(mask)
    for (label, key), parts in tracks.items():
        if key.startswith("id ") and len(parts) > 1:
            found.notes.guessed[BY_ATTRIBUTE] += 1
        found.add_track(video, label, [merge_masks(parts.get(frame, [])) for frame in range(len(names))])


def _name(image: Element, file: Path) -> str:
    name = (image.get("name") or "").replace("\\", "/")
    if not is_inside(name):
        raise DatasetError(f"{file}: an image is called {name!r:.60}, which is no file's name: export the task again")
    return name


def _size(image: Element, file: Path) -> tuple[int, int]:
    texts = [image.get(key, "") for key in ("height", "width")]
    if not all(text.isdecimal() and 0 < len(text) < 8 and int(text) for text in texts):
        raise DatasetError(f"{file}: image {image.get('name')!r:.60} has no width and height: export the task again")
    height, width = map(int, texts)
    check_frame_size(height, width, f"{file}: image {image.get('name')!r:.60}")
    return height, width
