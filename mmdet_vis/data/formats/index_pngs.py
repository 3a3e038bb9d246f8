"""Index PNGs, whose pixel values are object numbers: DAVIS, YouTube-VOS and folders like them, read and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.davis_layout import (
    ANNOTATIONS,
    IMAGES,
    RESOLUTION,
    davis_set,
    find_davis_root,
    mask_folder,
    note_other_sets,
)
from mmdet_vis.data.formats.davis_png import voc_palette
from mmdet_vis.data.formats.frame_files import copy_frames
from mmdet_vis.data.formats.frame_folders import find_images
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.data.formats.mask_folders import FrameFiles, Masks, collect_masks, nested_videos
from mmdet_vis.data.formats.mask_writing import owner_maps, write_pngs
from mmdet_vis.data.formats.number_pngs import encode_png, png_palette, read_colours, read_numbers
from mmdet_vis.data.formats.soft_edges import black_or_white, has_soft_edges
from mmdet_vis.data.sources.folder import list_files, list_folders
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, areas

VOID = 255
"""Pixels of an index PNG that belong neither to an object nor to the background.

In the binary masks of DAVIS 2016, which hold no other number, it is the object.
"""
DEEP_VOID = 65535
_FEW_PIXELS = 10
META = "meta.json"
"""Of YouTube-VOS, beside or in the folder of masks: ``{"videos": {video: {"objects": {number: {"category": …}}}}}``."""


def read_davis(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read a set of a DAVIS folder; frame files are relative to ``JPEGImages/<resolution>``.

    The ``year`` is by default 2019 for the test sets and 2017 for others. Where the annotations of the unsupervised
    track are not there, those of the other track count, and that is noted.

    Raises:
        DatasetError: the set, a video's annotations or one of its frames is missing or cannot be read.
    """
    root = find_davis_root(root)
    names = davis_set(root, options.set_name, options.year)
    masks, note = mask_folder(root, options.resolution, options.davis_annotations)
    found = read_index(masks, ReadOptions(root / IMAGES / options.resolution, progress=options.progress), names)
    note_other_sets(found.notes, masks, names)
    if note:
        found.notes.guessed[note] += 1
    return found


def read_index(root: Path, options: ReadOptions = DEFAULTS, names: Sequence[str] | None = None) -> AnnotatedVideos:
    """Read folders ``root/<video>/<frame>.png``, or one such folder; of certain videos where ``names`` are given.

    Frames are called as the PNGs but for the ending, or taken to be ``<video>/<frame>.jpg`` where none are found; those
    without a PNG are such that nobody annotated. Categories are those of a ``meta.json`` of YouTube-VOS; without it
    there is one.

    Raises:
        DatasetError: a PNG cannot be read or has another size, or PNGs and frames do not belong together.
    """
    found = AnnotatedVideos(f"index PNGs of {root}")
    folders, found.images = png_videos(found, root, options.images, names)
    labels = read_labels(root)
    if not labels:
        found.category(options.category)
    for name, folder in with_bar(folders, "videos", shown=options.progress):
        add_index_video(found, name, folder, found.images, labels.get(name), options.category)
    return found


def png_videos(
    found: AnnotatedVideos, root: Path, images: Path | None, names: Sequence[str] | None = None
) -> tuple[list[tuple[str, Path]], Path | None]:
    """Names and folders of the videos below ``root`` (itself, if it holds PNGs), and the folder of their frames.

    Without ``names``, folders without PNGs are left out and counted.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the one with a folder of index PNGs per video")
    if names is None and list_files(root, ".png"):
        return [(root.resolve().name, root)], find_images(root, images, [root.resolve().name])
    if names is None:
        folders = [folder.name for folder in list_folders(root)]
        videos = nested_videos(root, lambda folder: bool(list_files(folder, ".png")))
        names = [video.relative_to(root).as_posix() for video in videos] or folders
        empty = set(folders) - {name.partition("/")[0] for name in names}
        if empty:
            found.notes.left_out["folders without PNGs"] += len(empty)
    return [(name, root / name) for name in names], find_images(root, images, names)


def add_index_video(
    found: AnnotatedVideos,
    name: str,
    folder: Path,
    images: Path | None,
    labels: dict[str, str] | None = None,
    category: str = "object",
) -> None:
    """Add one video, with an object for each number in its PNGs but 0; about 255 see :data:`VOID`.

    Raises:
        DatasetError: see :func:`read_index`.
    """
    pngs = list_files(folder, ".png")
    if not pngs:
        raise DatasetError(f"{folder} holds no index PNGs: unpack the annotations of all listed videos")
    palettes = {png_palette(png) for png in pngs}
    by_colour = len(palettes) > 1 and None not in palettes
    if by_colour:
        found.notes.guessed["videos whose PNGs have different palettes (their colours count, not their numbers)"] += 1

    def drop_void(objects: Masks) -> None:
        doubt(found, objects, "numbers", "a pixel of 0")
        for void in (VOID, DEEP_VOID):
            if set(objects) == {void} or by_colour or void not in objects:
                continue
            kept, dropped = sum(map(_area, objects.values())), _area(objects.pop(void))
            if 2 * dropped > kept:
                found.notes.guessed[f"videos in which {void}, taken as void, has most of the pixels of objects"] += 1
            found.notes.facts[f"videos with pixels of {void}, which are of no object (void)"] += 1

    add_png_video(found, name, pngs, images, read_colours if by_colour else read_numbers, drop_void, labels, category)


def add_png_video(
    found: AnnotatedVideos,
    name: str,
    pngs: Sequence[Path],
    images: Path | None,
    read: Callable[[Path], Any],
    drop: Callable[[Masks], None],
    labels: dict[str, str] | None,
    category: str,
) -> None:
    """Add a video of PNGs, an object for each value of :func:`collect_masks` that ``drop`` leaves."""
    frames = FrameFiles(found, [png.stem for png in pngs], name, images, pngs[0].parent)
    if has_soft_edges(pngs, coloured=read is read_colours):
        found.notes.guessed["videos of grey masks with soft edges, of one object each (from half of white on)"] += 1
        read = black_or_white
    objects, size = collect_masks(pngs, read)
    drop(objects)
    video = frames.add_video(found, name, size)
    for number, masks in objects.items():
        if labels and str(number) not in labels:
            found.notes.guessed[f"objects that {META} does not name, taken as {category}"] += 1
        found.add_track(video, (labels or {}).get(str(number), category), frames.spread(masks))


def doubt(found: AnnotatedVideos, objects: Masks, values: str, background: str) -> None:
    """Note what speaks against an object for each value: smoothed edges, and no background around them."""
    present = [[rle for rle in masks if rle is not None] for masks in objects.values()]
    small = sum(int(areas(masks).max()) < _FEW_PIXELS for masks in present)
    if small > 1 and 2 * small > len(present):
        found.notes.guessed[
            f"{values} of fewer than {_FEW_PIXELS} pixels, each an object (edges that were smoothed? save masks "
            "without)"
        ] += small
    size = next((masks[0]["size"] for masks in present if masks), None)
    frames = max((len(masks) for masks in objects.values()), default=0)
    if size is not None and sum(map(_area, objects.values())) == size[0] * size[1] * frames:
        found.notes.guessed[
            f"videos without {background}, where every one of the {values} is an object (panoptic masks? their "
            "background is none)"
        ] += 1


def _area(masks: Sequence[RLE | None]) -> int:
    return int(areas([rle for rle in masks if rle is not None]).sum())


def write_davis(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``Annotations_unsupervised/480p/<video>/<frame>.png`` and the list ``ImageSets/2017/val.txt``.

    Known frames are copied to ``JPEGImages/480p``. Names of videos have no spaces and slashes in DAVIS.

    Raises:
        OutputError: a file cannot be written.
    """
    named = [replace(video, name="_".join(video.name.replace("/", " ").split())) for video in videos.videos]
    write_index(replace(videos, videos=named), target / ANNOTATIONS / RESOLUTION)
    for video in named:
        copy_frames(videos, video, ensure_writable_dir(target / IMAGES / RESOLUTION / video.name))
    folder = ensure_writable_dir(target / "ImageSets" / "2017")
    atomic_write(folder / "val.txt", "".join(f"{video.name}\n" for video in named))
    if len(videos.categories) > 1:
        videos.notes.facts["categories, which DAVIS does not know (they are in meta.json)"] += len(videos.categories)


def write_index(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``target/<video>/<frame>.png``, palette PNGs (16-bit ones for more than 254 objects), and ``meta.json``.

    Frames that nobody annotated have no PNG. Of overlapping masks, the first object has the pixels.

    Raises:
        OutputError: a file cannot be written.
    """
    palette = voc_palette().tobytes()
    for video in videos.videos:
        deep = len(video.tracks) >= VOID
        maps = owner_maps(videos, video)
        kind = np.uint16 if deep else np.uint8
        write_pngs(target, video, ((f, encode_png(m.astype(kind), None if deep else palette)) for f, m in maps))
    write_labels(videos, target, {v.name: [str(n + 1) for n in range(len(v.tracks))] for v in videos.videos})


def write_labels(videos: AnnotatedVideos, target: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Write ``meta.json``: the categories of objects by what ``names``, of each video, call them in its PNGs."""
    meta = {
        video.name: {
            "objects": {n: {"category": t.category} for n, t in zip(names[video.name], video.tracks, strict=True)}
        }
        for video in videos.videos
    }
    atomic_write(ensure_writable_dir(target) / META, json.dumps({"videos": meta}))


def read_labels(root: Path) -> dict[str, dict[str, str]]:
    """Categories by the numbers of the objects, by video."""
    file = next((path for path in (root / META, root.parent / META) if path.is_file()), None)
    if file is None:
        return {}
    labels: dict[str, dict[str, str]] = {}
    try:
        for name, entry in load_annotations(file)["videos"].items():
            labels[name] = {str(number): str(item["category"]) for number, item in entry["objects"].items()}
    except (KeyError, TypeError, AttributeError):
        raise DatasetError(f"{file} is not the meta.json of YouTube-VOS: correct it, or move it away") from None
    return labels
