"""Frames annotated with labelme, one JSON file each, read and written."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.frame_files import copy_frames, image_size
from mmdet_vis.data.formats.frame_folders import find_images
from mmdet_vis.data.formats.json_files import load_annotations, plain_id, read_json, track_of
from mmdet_vis.data.formats.labelme_pictures import image_name, picture_within, take_pictures_out
from mmdet_vis.data.formats.mask_folders import video_folders
from mmdet_vis.data.formats.mask_writing import annotated_frames
from mmdet_vis.data.formats.number_pngs import encode_png
from mmdet_vis.data.formats.shapes import (
    box_mask,
    check_frame_size,
    ellipse_points,
    mask_box,
    merge_masks,
    polygon_mask,
)
from mmdet_vis.data.sources import is_name, natural_key
from mmdet_vis.data.sources.folder import folders_below, list_files, list_images
from mmdet_vis.data.sources.image_colour import PILLOW_ERRORS
from mmdet_vis.data.sources.image_files import MAX_IMAGE_PIXELS
from mmdet_vis.errors import DatasetError, few
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE

_Track = tuple[str, int | str | None]  # label and group id


def is_labelme(content: Any) -> bool:
    """Whether the content of a JSON file looks like one of labelme."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read_labelme(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read ``root/<video>/<frame>.json`` (or the JSON files of ``root`` itself, as one video).

    The polygons, circles and masks of a video with one label and one ``group_id`` (or ``track_id`` among the
    ``attributes``) are one object; without, a label stands for one object. Images without a JSON file are frames
    that nobody annotated; a picture that is in its JSON file alone is written beside it. Other shapes (rectangles,
    points, lines) outline no object: they are left out and counted.

    Raises:
        DatasetError: a file cannot be used; the message names it.
    """
    images = options.images or root
    found = AnnotatedVideos(f"labelme files of {root}", images)
    folders = video_folders(root, lambda path: bool(list_files(path, ".json")), "a folder of labelme JSON files")
    for folder, prefix in with_bar(folders, "videos", shown=options.progress):
        _add_video(found, folder, prefix, images / prefix if options.images else folder)
    _note_numbered(found)
    if folders[0][1]:
        _note_forgotten(found, images)
    return found


def _note_forgotten(found: AnnotatedVideos, images: Path) -> None:
    """Name the folders of pictures beside those of the videos that have no label file: often it was forgotten."""
    used = {images / PurePosixPath(video.file_names[0]).parent for video in found.videos}
    without = [
        folder.relative_to(images).as_posix()
        for folder in folders_below(images)
        if folder not in used and list_images(folder)[0] and not list_files(folder, ".json")
    ]
    if without:
        found.notes.facts[f"folders of pictures without a label file ({few(without)})"] += len(without)


def _note_numbered(found: AnnotatedVideos) -> None:
    """Note labels like ``cat-1`` and ``cat-2``, by which old versions told the objects of a category apart."""
    numbered: defaultdict[str, list[str]] = defaultdict(list)
    for name in found.categories:
        if match := _NUMBERED.fullmatch(name):
            numbered[match[1]].append(name)
    for names in numbered.values():
        if len(names) > 1:
            found.notes.facts[
                f"categories that differ in a number alone ({names[0]:.40}, {names[1]:.40}: of objects of one "
                "category, give each its group_id and all one label)"
            ] += len(names)


_NUMBERED = re.compile(r"(.*\D)[ _.-]?\d{1,4}")


def _add_video(found: AnnotatedVideos, folder: Path, prefix: str, images: Path) -> None:
    name = prefix.rstrip("/") or folder.resolve().name
    files = [file for file in list_files(folder, ".json") if _is_frame(found, file)]
    if not files:
        return
    frames = _images_in(images)
    contents = {file: _read(file, images / frames[0] if frames else None) for file in files}
    if not frames and found.images is not None:
        # As some programs export them: folders of JSON files and of images side by side.
        near = find_images(folder, None, [folder.name])
        near = near / folder.name if near is not None and (near / folder.name).is_dir() else near
        if near is not None and near.is_relative_to(found.images):
            prefix, images = f"{near.relative_to(found.images).as_posix()}/", near
            frames = _images_in(images)
    if take_pictures_out(found, contents, frames, images):
        frames = _images_in(images)
    if not frames:  # The images are elsewhere: the JSON files still name them.
        frames = sorted((image_name(content) for content in contents.values()), key=natural_key)
        found.notes.facts["frames that are not beside their JSON files (give the frames' folder)"] += len(frames)
    first = contents[files[0]]
    size = (first["imageHeight"], first["imageWidth"])
    tracks: defaultdict[_Track, list[RLE | None]] = defaultdict(lambda: [None] * len(frames))
    seen: dict[int, Path] = {}
    for file, content in contents.items():
        number = _frame_of(found, file, content, frames, images)
        if number in seen:
            raise DatasetError(f"{file} and {seen[number].name} both belong to {frames[number]}: keep one of them")
        seen[number] = file
        if (content["imageHeight"], content["imageWidth"]) != size:
            raise DatasetError(f"{file} and {files[0].name} have images of different sizes: a video must have one size")
        for track, mask in _masks(found, content, file, *size).items():
            tracks[track][number] = mask
    video = found.add_video(name, [prefix + name for name in frames], *size)
    found.mark_annotated(video, [number in seen for number in range(len(frames))])
    for (label, _), masks in _joined(found, tracks).items():
        found.add_track(video, label, masks)


def _images_in(folder: Path) -> list[str]:
    return [image.name for image in list_images(folder)[0]] if folder.is_dir() else []


def _is_frame(found: AnnotatedVideos, file: Path) -> bool:
    """Whether a JSON file is one of labelme; lists of classes and the like lie beside them."""
    content = read_json(file) if file.is_file() else None
    if not isinstance(content, dict | list) or "shapes" in content:
        return True  # what is wrong with it is said when it is read
    found.notes.left_out["JSON files that are not of labelme"] += 1
    return False


def _frame_of(found: AnnotatedVideos, file: Path, content: dict[str, Any], frames: list[str], images: Path) -> int:
    """Which frame a JSON file is of: the one that it names, in any case, or else the one that is called as it is."""
    name = image_name(content)
    if name in frames:
        return frames.index(name)
    folded = [frame.casefold() for frame in frames]
    stems = [PurePosixPath(frame).stem for frame in folded]
    for names, wanted in ((folded, name.casefold()), (stems, file.stem.casefold())):
        matches = [number for number, frame in enumerate(names) if frame == wanted]
        if len(matches) == 1:
            found.notes.guessed["frames that their JSON file calls by another name"] += 1
            return matches[0]
    raise DatasetError(f"{file} belongs to {name}, which is not in {images}: put the image there")


def _read(file: Path, image: Path | None) -> dict[str, Any]:
    if not file.is_file():  # a pipe would never end
        raise DatasetError(f"{file} is not a file: move it away")
    content = load_annotations(file)
    if content.get("imageHeight") is None and content.get("imageWidth") is None:
        size = image_size(image) if image is not None else picture_within(content)[1]
        content["imageHeight"], content["imageWidth"] = size
    sizes = [content.get(key) for key in ("imageHeight", "imageWidth")]
    if (
        not all(type(side) is int and side > 0 for side in sizes)
        or not is_name(content.get("imagePath"))
        or not isinstance(content.get("shapes"), list)
    ):
        raise DatasetError(
            f"{file} is not a labelme file with imagePath, imageHeight, imageWidth and shapes: save it with "
            "labelme, or move it away"
        )
    check_frame_size(content["imageHeight"], content["imageWidth"], f"the image of {file}")
    return content


def _masks(
    found: AnnotatedVideos, content: dict[str, Any], file: Path, height: int, width: int
) -> dict[_Track, RLE | None]:
    """The union of each track's polygons and masks in one frame."""
    parts: defaultdict[_Track, list[RLE]] = defaultdict(list)
    for number, shape in enumerate(content["shapes"]):
        where = f"{file}: shape {number}"
        label = shape.get("label") if isinstance(shape, dict) else None
        if type(label) not in (str, int) or not str(label).strip():
            raise DatasetError(f"{where} has no label: correct it in labelme")
        kind = shape.get("shape_type") or "polygon"
        if kind not in ("polygon", "circle", "mask"):
            found.notes.left_out[f"{kind!s:.20} shapes"] += 1
            continue
        if kind == "polygon" and isinstance(shape.get("points"), list) and len(shape["points"]) < 3:
            found.notes.left_out["polygons of fewer than 3 points"] += 1
            continue
        # X-AnyLabeling has it among the attributes.
        group = track_of(shape) if shape.get("group_id") is None else plain_id(shape["group_id"])
        if group is not None and type(group) not in (int, str):
            raise DatasetError(f"{where} has group_id {group!r:.40}, not a whole number: correct it in labelme")
        track = (found.category(str(label)), group)
        if group is None and track in parts:
            raise DatasetError(
                f"{where} is the second {label!r} in this frame without a group_id: give each object of the "
                "video its own group_id, the same in all frames and for all its parts"
            )
        try:
            if kind == "mask":
                parts[track].append(_pixel_mask(shape, height, width))
            else:
                points = shape.get("points", ())
                parts[track].append(polygon_mask(points if kind == "polygon" else _circle(points), height, width))
        except DatasetError as error:
            raise DatasetError(f"{where}: {error}: correct it in labelme") from None
    return {track: merge_masks(masks) for track, masks in parts.items()}


def _joined(found: AnnotatedVideos, tracks: dict[_Track, list[RLE | None]]) -> dict[_Track, list[RLE | None]]:
    """Tracks by label and group id, where shapes without one go to the only group of their label."""
    for track in [track for track in tracks if track[1] is None]:
        groups = [other for other in tracks if other[0] == track[0] and other is not track]
        number = sum(mask is not None for mask in tracks[track])
        if not groups:
            continue
        pairs = list(zip(tracks[track], tracks[groups[0]], strict=True))
        if len(groups) == 1 and not any(a is not None and b is not None for a, b in pairs):
            found.notes.guessed["shapes without a group_id, taken as of the one object of their label"] += number
            tracks[groups[0]] = [a if b is None else b for a, b in pairs]
            del tracks[track]
        else:
            beside = "shapes without a group_id beside others of their label (an object of their own)"
            found.notes.guessed[beside] += number
    return tracks


def _circle(points: Any) -> NDArray[np.float64]:
    """The outline of a shape "circle", whose points are its centre and one on it."""
    try:
        (x, y), (x1, y1) = ((float(value) for value in point) for point in points)
    except (TypeError, ValueError, OverflowError):
        raise DatasetError("a circle needs two points (x, y): its centre and one on it") from None
    return ellipse_points(x, y, float(np.hypot(x1 - x, y1 - y)), float(np.hypot(x1 - x, y1 - y)))


def _pixel_mask(shape: dict[str, Any], height: int, width: int) -> RLE:
    """The mask of a shape "mask": a PNG of its box, whose corners are the points."""
    try:
        left, top = (round(float(value)) for value in shape["points"][0])
        data = base64.b64decode(shape["mask"], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise ValueError(f"it is {image.width}x{image.height}")
            pixels: NDArray[np.uint8] = np.array(image.convert("L"))
    except PILLOW_ERRORS as error:
        raise DatasetError(f"its mask is not a PNG in base64 with the corner of its box ({error!s:.80})") from None
    if max(abs(left), abs(top)) > MAX_IMAGE_PIXELS:
        raise DatasetError("its mask lies far outside the frame")
    return box_mask(pixels, left, top, height, width)


def write_labelme(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``target/<video>/<frame>.json`` with a shape "mask" (labelme 5.3 and newer) per object; copy the frames.

    ``group_id`` is the object's number in its video. Frames that nobody annotated have no JSON file.

    Raises:
        OutputError: a file cannot be written.
    """
    for video in videos.videos:
        folder = ensure_writable_dir(target / video.name)
        names = copy_frames(videos, video, folder)
        for frame in annotated_frames(video):
            shapes = [
                _shape(track.category, number, rle, track.score)
                for number, track in enumerate(video.tracks, 1)
                if (rle := track.masks[frame]) is not None
            ]
            content: dict[str, Any] = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": names[frame]}
            content |= {"imageData": None, "imageHeight": video.height, "imageWidth": video.width}
            atomic_write(folder / f"{PurePosixPath(names[frame]).stem}.json", json.dumps(content, indent=1))


def _shape(label: str, group: int, rle: RLE, score: float | None) -> dict[str, Any]:
    left, top, pixels = mask_box(rle)
    rows, columns = pixels.shape
    return {
        "label": label,
        "points": [[left, top], [left + columns - 1, top + rows - 1]],
        "group_id": group,
        "description": "" if score is None else f"score {score:.3f}",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(encode_png(pixels * 255)).decode(),
    }
