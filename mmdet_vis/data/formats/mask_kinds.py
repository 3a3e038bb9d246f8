"""Folders of PNGs of masks: which of the folders beside frames they are, and what their pixels and folders mean."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import numpy as np

from mmdet_vis.data.formats.frame_folders import find_images, holds_frames, is_frame_name, plain_folder, shows_frames
from mmdet_vis.data.formats.index_pngs import META
from mmdet_vis.data.formats.mots_png import INSTANCES, PER_CLASS
from mmdet_vis.data.formats.number_pngs import COLOURS, DEEP, png_mode, read_colours, read_numbers
from mmdet_vis.data.formats.object_folders import has_object_folders, is_one_object
from mmdet_vis.data.sources import is_debris
from mmdet_vis.data.sources.folder import folders_below, list_files, list_folders, list_images
from mmdet_vis.errors import DatasetError

_MASKS = {"annotations", "masks", "mask", "labels", "gt"}
"""What folders of masks are called, in any case."""
_SUBSETS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_SAMPLES = 200
"""PNGs of a video that are looked into for one with an object."""


def has_mask_folder(path: Path) -> bool:
    """Whether a folder in a folder is called as one of masks."""
    return any(plain_folder(folder.name) in _MASKS for folder in list_folders(path))


def mask_datasets(path: Path) -> list[Path]:
    """The folders in a folder that have masks beside their frames: subsets as those of YouTube-VOS, or videos."""
    return [place for place in list_folders(path) if has_mask_folder(place) and masks_beside_frames(place) is not None]


def masks_beside_frames(path: Path) -> Path | None:
    """The folder of masks in one that has the frames beside it, as YouTube-VOS does; None if it is not so.

    Raises:
        DatasetError: there are several.
    """
    below = list_folders(path)
    frames = [folder for folder in below if is_frame_name(folder.name)] or _shown_frames(below)
    if not frames:
        return None
    masks = [folder for folder in below if folder not in frames and _holds_pngs(folder)]
    masks = [folder for folder in masks if plain_folder(folder.name) in _MASKS or not shows_frames(folder)]
    masks = [folder for folder in masks if folder.name == "Annotations"] or masks
    if len(masks) > 1:
        raise DatasetError(f"{path} holds {len(masks)} folders of masks: give one of them, such as {masks[0]}")
    if not masks:
        return None
    resolution = only_folder(masks[0])  # Of DAVIS: Annotations/480p beside JPEGImages/480p.
    inside = [folder / resolution.name for folder in frames] if resolution else []
    return resolution if any(list_folders(place) for place in inside if place.is_dir()) else masks[0]


def _shown_frames(folders: list[Path]) -> list[Path]:
    """Of folders that have no name of frames: those that hold them, beside one that is called as of masks."""
    masks = [folder for folder in folders if plain_folder(folder.name) in _MASKS]
    names = {entry.name for folder in masks for entry in list_folders(folder)}
    flat = any(list_files(folder, ".png") for folder in masks)
    others = [folder for folder in folders if folder not in masks]
    return [
        folder
        for folder in others
        if (flat and holds_frames(folder)) or any(holds_frames(folder / name) for name in sorted(names)[:_SAMPLES])
    ]


def _holds_pngs(folder: Path) -> bool:
    return any(list_files(place, ".png") for place in (folder, *islice(folders_below(folder), _SAMPLES)))


_TEXTS = re.compile(r"(readme|licen[cs]e|copyright|changelog)\b", re.IGNORECASE)


def only_folder(path: Path) -> Path | None:
    """The one folder that is all that a folder holds, but for words about it, as archives have it."""
    entries = [entry for entry in path.iterdir() if not is_debris(entry.name) and not _TEXTS.match(entry.name)]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None


def of_pngs(path: Path) -> tuple[str | None, Path]:
    """Which kind of PNGs of masks a folder holds, or the folders in it, and which folder to read; None: it has none."""
    below = list_folders(path)
    with_folders = [entry for entry in below if has_object_folders(entry)]
    if not with_folders and any(list_files(place, ".png") for place in (path, *below)):
        return png_kind(path), path
    with_folders = with_folders or [entry for entry in folders_below(path) if has_object_folders(entry)]
    if not with_folders:
        return None, path
    if (path / META).is_file():
        return png_kind(path), path
    if all(_is_of_objects(path, entry) for entry in with_folders[:_SAMPLES]):
        return "objects", path
    inner = only_folder(path)
    if inner in with_folders and inner.name.casefold() not in _SUBSETS and not _has_frames(path, inner):
        return png_kind(inner), inner  # <masks>/<video>/<frame>.png, as it was packed
    return png_kind(path), path


def _is_of_objects(root: Path, video: Path) -> bool:
    """Whether the folders in a folder are those of its objects; else they are videos of their own.

    The frames say it, where they are there; else the name and the masks, which are of one object each.
    """
    name = video.relative_to(root).as_posix()
    images = find_images(root, None, [name])
    if images is not None and (images / name).is_dir() and list_images(images / name)[0]:
        return True
    if _has_frames(root, video) or video.name.casefold() in _SUBSETS:
        return False
    firsts = [pngs[0] for folder in list_folders(video) if (pngs := list_files(folder, ".png"))]
    return all(png_mode(png) and is_one_object(read_colours(png)) for png in firsts[:_SAMPLES])


def _has_frames(root: Path, parent: Path) -> bool:
    """Whether there are frames for a video that is a folder in ``parent``, below ``root``."""
    names = [entry.relative_to(root).as_posix() for entry in list_folders(parent)][:_SAMPLES]
    images = find_images(root, None, names)
    return images is not None and any((images / name).is_dir() for name in names)


def png_kind(root: Path) -> str:
    """Which format the PNGs of a folder, or of the folders in it, are in: "index", "colours" or "mots"."""
    base = root / INSTANCES if (root / INSTANCES).is_dir() else root
    folders = [base, *folders_below(base)] if base.is_dir() else []
    for folder in folders:
        for png in list_files(folder, ".png")[:_SAMPLES]:
            mode = png_mode(png)
            if mode in COLOURS:
                return "colours"
            if mode not in DEEP:
                break  # all PNGs of a folder are of one kind
            numbers = np.unique(read_numbers(png))
            numbers = numbers[numbers > 0]
            if len(numbers):
                return "mots" if numbers.min() >= PER_CLASS and numbers.max() < 65535 else "index"
    return "index"
