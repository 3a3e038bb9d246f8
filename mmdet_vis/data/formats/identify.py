"""What a file or folder of annotations is, by what is in it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_vis.data.formats.coco_json import has_tracks, is_coco
from mmdet_vis.data.formats.cvat import ANNOTATIONS
from mmdet_vis.data.formats.cvat_masks import is_cvat_masks
from mmdet_vis.data.formats.json_files import read_json
from mmdet_vis.data.formats.labelme import is_labelme
from mmdet_vis.data.formats.mask_folders import list_pngs
from mmdet_vis.data.formats.mots_classes import PER_CLASS
from mmdet_vis.data.formats.mots_png import INSTANCES, instance_folders
from mmdet_vis.data.formats.mots_txt import is_mots, mots_files
from mmdet_vis.data.formats.number_pngs import COLOURS, DEEP, png_mode, read_numbers
from mmdet_vis.data.formats.object_folders import has_object_folders
from mmdet_vis.data.formats.results_json import RESULTS, is_results, is_saved_result
from mmdet_vis.data.formats.ytvis_json import is_ytvis
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.data.sources.inputs import VIDEO_SUFFIXES
from mmdet_vis.errors import DatasetError

_SAMPLES = 200
"""PNGs of a video that are looked into for one with an object."""


def identify(path: Path) -> tuple[str, Path]:
    """The name of a source's format in :data:`~mmdet_vis.data.formats.registry.FORMATS`, and what to read.

    Args:
        path: a file or folder.

    Returns:
        the name, and ``path`` or, for a folder around one annotation file, that file.

    Raises:
        DatasetError: it does not exist, or is none of them; the message says what it looks like.
    """
    if path.is_file():
        return _of_file(path), path
    if not path.is_dir():
        raise DatasetError(f"{path} does not exist: check the path")
    name = _of_folder(path)
    if name is not None:
        return name, path
    files = [file for place in (path, path / "annotations") for file in sorted(place.glob("*.json"))]
    found = [(name, file) for file in files if (name := kind_of_json(read_json(file))) is not None]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise DatasetError(f"{path} holds {len(found)} annotation files: give one of them, such as {found[0][1]}")
    kind = _of_pngs(path)
    if kind is not None:
        return kind, path
    images = list_images(path)[0]
    what = f"it holds {len(images)} images and no annotations" if images else "no file in it is one of annotations"
    raise DatasetError(f"{path} is no format that is known ({what}): see docs/formats.md, or name one with --from")


def kind_of_json(content: Any) -> str | None:
    """The format of a JSON file by its content; None for what is not known."""
    if is_results(content):
        return "results"
    if is_saved_result(content):
        return "result"
    if is_ytvis(content):
        return "ytvis"
    if is_coco(content):
        return "cocovid" if isinstance(content.get("videos"), list) and content["videos"] else "coco"
    return None


def describe_json(content: Any, path: str | Path) -> str:
    """What a JSON file is that is not what it was taken for, and what to do with it."""
    kind = kind_of_json(content)
    convert = f"convert it with 'mmdet-vis convert {path} NEW.json'"
    if kind in ("results", "result"):
        return f"it is a results file; {convert}, or evaluate it"
    if kind in ("coco", "cocovid"):
        tracks = "with" if kind == "cocovid" or has_tracks(content) else "without"
        return f"it is a COCO file of {len(content['images'])} images {tracks} track numbers; {convert}"
    if is_labelme(content):
        return f"it is a frame of labelme; {convert.replace(str(path), str(Path(path).parent))}"
    if isinstance(content, dict) and "videos" in content:
        return "it has no list 'videos' whose entries have file_names: give a YouTube-VIS annotation file"
    if isinstance(content, list) and content and isinstance(content[0], dict) and "annotations" in content[0]:
        return "it looks like an export of Label Studio; export it there as COCO"
    named = ", ".join(sorted(map(str, content))[:6]) if isinstance(content, dict) else type(content).__name__
    return f"it has no list 'videos' (it has: {named:.100}); give a YouTube-VIS annotation file"


def _of_file(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return "cvat"
    if zipfile.is_zipfile(path):
        return "results"
    if suffix == ".txt" and is_mots(path):
        return "mots-txt"
    if suffix in VIDEO_SUFFIXES or suffix in (".txt", ".csv", ".yaml", ".yml", ".png", ".jpg"):
        raise DatasetError(f"{path} is no file of annotations that is known: see docs/formats.md")
    content = read_json(path)
    kind = kind_of_json(content)
    if kind is None:
        raise DatasetError(f"{path} is no annotation file that is known: {describe_json(content, path)}")
    return kind


def _of_folder(path: Path) -> str | None:
    below = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    if (path / "ImageSets").is_dir() and (path / "JPEGImages").is_dir():
        return "davis"
    if is_cvat_masks(path):
        return "cvat-masks"
    if any((place / ANNOTATIONS).is_file() for place in (path, *below)):
        return "cvat"
    if instance_folders(path) != [path]:
        return "mots"
    if mots_files(path):
        return "mots-txt"
    if (path / RESULTS).is_file():
        return "results"
    for place in (path, *below):
        first = next(iter(sorted(place.glob("*.json"))), None)
        if first is not None and first.is_file() and is_labelme(read_json(first)):
            return "labelme"
    return None


def _of_pngs(path: Path) -> str | None:
    """Which kind of PNGs of masks a folder holds, or the folders in it."""
    below = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    if any(has_object_folders(entry) for entry in below):
        return "objects"
    for place in (path, *below):
        pngs = list_pngs(place)
        if pngs:
            return png_kind(path)
    return None


def png_kind(root: Path) -> str:
    """Which format the PNGs of a folder, or of the folders in it, are in: "index", "colours" or "mots"."""
    base = root / INSTANCES if (root / INSTANCES).is_dir() else root
    folders = [base, *sorted(entry for entry in base.iterdir() if entry.is_dir())] if base.is_dir() else []
    for folder in folders:
        for png in list_pngs(folder)[:_SAMPLES]:
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
