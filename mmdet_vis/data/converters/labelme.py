"""Frames annotated with labelme, one JSON file each, as YouTube-VIS annotations."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PureWindowsPath
from typing import Any

from mmdet_vis.data.converters.builder import YtvisBuilder, check_frame_size, merge_masks, polygon_mask
from mmdet_vis.data.converters.folders import video_folders
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE

_Track = tuple[str, int | None]  # label and group id


def convert_labelme(root: str | Path, progress: bool = False) -> YtvisBuilder:
    """Convert ``root/<video>/<frame>.json`` (or the JSON files of ``root`` itself, as one video).

    The polygons of a video with one label and one ``group_id`` are one object; without a group id, a label stands for
    one object. Images without a JSON file are frames without objects. Shapes that are no polygons (rectangles, circles,
    points, lines) outline no object: they are ignored and counted. Frame files are relative to ``root``.

    Args:
        root: folder of the videos.
        progress: show a progress bar.

    Raises:
        DatasetError: a file cannot be used; the message names it.
    """
    root = Path(root)
    builder = YtvisBuilder(f"labelme files of {root}")
    folders = video_folders(root, lambda path: any(path.glob("*.json")), "a folder of labelme JSON files")
    for folder, prefix in with_bar(folders, "videos", shown=progress):
        _add_video(builder, folder, prefix)
    return builder


def _add_video(builder: YtvisBuilder, folder: Path, prefix: str) -> None:
    files = sorted(folder.glob("*.json"), key=lambda path: natural_key(path.name))
    contents = {file: _read(file) for file in files}
    frames = [image.name for image in list_images(folder)[0]]
    if not frames:  # The images are elsewhere: the JSON files still name them.
        frames = sorted((_image_name(content) for content in contents.values()), key=natural_key)
    position = {name: number for number, name in enumerate(frames)}
    first = contents[files[0]]
    size = (first["imageHeight"], first["imageWidth"])
    tracks: defaultdict[_Track, list[RLE | None]] = defaultdict(lambda: [None] * len(frames))
    seen: dict[int, Path] = {}
    for file, content in contents.items():
        name = _image_name(content)
        if name not in position:
            raise DatasetError(f"{file} belongs to {name}, which is not in {folder}: put the image there")
        number = position[name]
        if number in seen:
            raise DatasetError(f"{file} and {seen[number].name} both belong to {name}: keep one of them")
        seen[number] = file
        if (content["imageHeight"], content["imageWidth"]) != size:
            raise DatasetError(f"{file} and {files[0].name} have images of different sizes: a video must have one size")
        for track, mask in _masks(builder, content, file, *size).items():
            tracks[track][number] = mask
    video_id = builder.add_video([prefix + name for name in frames], *size)
    for (label, _), masks in tracks.items():
        builder.add_object(video_id, builder.category_id(label), masks)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():  # a pipe would never end
        raise DatasetError(f"{file} is not a file: move it away")
    content = load_annotations(file)
    sizes = [content.get(key) for key in ("imageHeight", "imageWidth")]
    if (
        not all(type(side) is int and side > 0 for side in sizes)
        or not isinstance(content.get("imagePath"), str)
        or not isinstance(content.get("shapes"), list)
    ):
        raise DatasetError(
            f"{file} is not a labelme file with imagePath, imageHeight, imageWidth and shapes: save it with "
            "labelme, or move it away"
        )
    check_frame_size(content["imageHeight"], content["imageWidth"], f"the image of {file}")
    return content


def _image_name(content: dict[str, Any]) -> str:
    """Name of the annotated image without its folder, which may be written for Windows."""
    return PureWindowsPath(content["imagePath"]).name


def _masks(
    builder: YtvisBuilder, content: dict[str, Any], file: Path, height: int, width: int
) -> dict[_Track, RLE | None]:
    """The union of each track's polygons in one frame."""
    parts: defaultdict[_Track, list[RLE]] = defaultdict(list)
    for number, shape in enumerate(content["shapes"]):
        where = f"{file}: shape {number}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise DatasetError(f"{where} has no label: correct it in labelme")
        kind = shape.get("shape_type") or "polygon"
        if kind != "polygon":
            builder.ignored[f"{kind!s:.20} shapes"] += 1
            continue
        group = shape.get("group_id")
        if group is not None and type(group) is not int:
            raise DatasetError(f"{where} has group_id {group!r:.40}, not a whole number: correct it in labelme")
        track = (shape["label"], group)
        if group is None and track in parts:
            raise DatasetError(
                f"{where} is the second {shape['label']!r} in this frame without a group_id: give each object of the "
                "video its own group_id, the same in all frames and for all its parts"
            )
        try:
            parts[track].append(polygon_mask(shape.get("points", ()), height, width))
        except DatasetError as error:
            raise DatasetError(f"{where}: {error}: correct it in labelme") from None
    return {track: merge_masks(masks) for track, masks in parts.items()}
