"""What a file or folder of annotations is, by what is in it."""

from __future__ import annotations

import os
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.archives import is_archive
from mmdet_vis.data.formats.coco_json import is_coco
from mmdet_vis.data.formats.cvat import export_file
from mmdet_vis.data.formats.cvat_masks import is_cvat_masks
from mmdet_vis.data.formats.davis_layout import is_voc
from mmdet_vis.data.formats.json_files import read_json
from mmdet_vis.data.formats.labelme import is_labelme
from mmdet_vis.data.formats.mask_kinds import has_mask_folder, mask_datasets, masks_beside_frames, of_pngs, only_folder
from mmdet_vis.data.formats.mots_png import instance_folders
from mmdet_vis.data.formats.mots_txt import is_mots, mots_files
from mmdet_vis.data.formats.other_masks import refuse_other_masks
from mmdet_vis.data.formats.other_programs import is_panoptic, other_file, other_folder, other_json, other_text
from mmdet_vis.data.formats.results_json import RESULTS, is_results, is_saved_result
from mmdet_vis.data.formats.ytvis_json import is_ytvis
from mmdet_vis.data.sources.folder import folders_below, list_files, list_folders, list_images
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES
from mmdet_vis.data.sources.inputs import VIDEO_SUFFIXES
from mmdet_vis.errors import DatasetError, counted, option
from mmdet_vis.files.zips import ZIP_ERRORS

_NO_ANNOTATIONS = VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".csv", ".yaml", ".yml"}
_WITH_FRAMES = ("davis", "cvat", "cvat-masks", "mots", "mots-txt")
_DATASETS = ("coco", "cocovid", "ytvis")
_LOOKED_AT = 3
_SAMPLES = 200
"""Folders that are looked into for images."""


def identify(path: Path) -> tuple[str, Path]:
    """The name of a source's format in :data:`~mmdet_vis.data.formats.registry.FORMATS`, and what to read.

    That is the file or folder itself or, for a folder around one annotation file, that file.

    Raises:
        DatasetError: it does not exist, or is none of them; the message says what it looks like.
    """
    if os.path.isfile(path):
        return _of_file(path), path
    if not os.path.isdir(path):
        raise DatasetError(f"{path} does not exist: check the path")
    for place in _around(path):
        if (known := _marked(place)) is not None:
            return known
    for place in _around(path):
        refuse_other_masks(place, pixels=False)
    if (known := _below(path)) is not None:
        return known
    if masks := next(filter(None, map(masks_beside_frames, _around(path))), None):
        path = masks
    elif subsets := mask_datasets(path):
        raise DatasetError(
            f"{path} holds {counted(len(subsets), 'dataset')} of masks beside their frames: give one of them, such as "
            f"{subsets[0]}"
        )
    refuse_other_masks(path)
    kind, path = of_pngs(path)
    if kind is not None:
        return kind, path
    places = [path, *folders_below(path)]
    images = [image for place in places[:_SAMPLES] for image in list_images(place)[0]]
    what = f"it holds {len(images)} images and no annotations" if images else "no file in it is one of annotations"
    if (other := other_folder(places[:_SAMPLES])) is not None:
        what = other
    elif images and all(image.suffix.lower() in (".jpg", ".jpeg") for image in images):
        what += "; masks must be PNG, since JPEG changes the pixels"
    elif any(image.suffix.lower() in (".tif", ".tiff", ".bmp", ".webp", ".gif") for image in images):
        what += "; masks must be PNG: save them so, with the same pixels"
    raise DatasetError(
        f"{path} is no format that is known ({what}): see docs/formats.md, or name one with {option('from_format')}"
    )


def _around(path: Path) -> list[Path]:
    """A folder, and the one that is all that it holds."""
    inner = only_folder(path)
    return [path] if inner is None else [path, inner]


def _marked(path: Path) -> tuple[str, Path] | None:
    """The format of a folder that files of its own kind tell, and what to read; None if none does."""
    if (name := _of_folder(path)) is not None:
        return name, path
    files = [file for place in (path, path / "annotations") for file in list_files(place, ".json") if file.is_file()]
    found = [(name, file) for file in files if (name := kind_of_json(read_json(file))) is not None]
    if len(found) > 1 and {name for name, _ in found} == {"result"}:
        return "result", path
    if len(found) > 1:
        raise DatasetError(f"{path} holds {len(found)} annotation files: give one of them, such as {found[0][1]}")
    return found[0] if found else None


def _below(path: Path) -> tuple[str, Path] | None:
    """What lies deeper in a folder: exports of CVAT, or a subset's file beside its images; None if neither does.

    Raises:
        DatasetError: there are several.
    """
    found: list[tuple[str, Path]] = []
    exports = {folder.parent for folder in islice(folders_below(path), _SAMPLES) if export_file(folder) is not None}
    if len(exports) == 1:
        return "cvat", exports.pop()
    if exports:
        raise DatasetError(
            f"{path} holds {len(exports)} folders of CVAT exports: give one of them, such as {min(exports)}"
        )
    for folder in islice(folders_below(path), _SAMPLES):
        for file in [file for file in list_files(folder, ".json") if file.is_file()][:_LOOKED_AT]:
            try:
                kind = kind_of_json(read_json(file))
            except DatasetError:
                continue
            if kind in _DATASETS:
                found.append((kind, file))
    if len(found) > 1:
        raise DatasetError(
            f"{path} holds {len(found)} annotation files in its folders: give one of them, such as {found[0][1]}"
        )
    return found[0] if found else None


def names_dataset(path: Path) -> bool:
    """Whether a folder is one of annotations that have their frames elsewhere in it, or beside it."""
    places = _around(path)
    kinds = [_of_folder(place) for place in places]
    if "labelme" in kinds:  # their pictures may be within them
        return not any(list_images(place)[0] for place in (path, *folders_below(path)))
    if any(kind in _WITH_FRAMES for kind in kinds):
        return True
    # Folders of PNGs may be frames: the names must say which are masks.
    return any(has_mask_folder(place) and masks_beside_frames(place) is not None for place in places) or any(
        mask_datasets(place) for place in places
    )


def is_plain_text(path: Path) -> bool:
    """Whether a text file holds no annotations of any program that is known."""
    return not is_mots(path) and other_text(path) is None


def is_json_file(path: Path) -> bool:
    """Whether a path is to be read as JSON: a file of no other known kind."""
    suffix = path.suffix.lower()
    known = suffix in (".xml", ".txt") or suffix in _NO_ANNOTATIONS
    return os.path.isfile(path) and not known and not is_archive(path)


def holds_results(archive: Path) -> bool:
    """Whether an archive is a submission: a zip of ``results.json`` alone."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist() == [RESULTS]
    except ZIP_ERRORS:
        return False


def kind_of_json(content: Any) -> str | None:
    """The format of a JSON file by its content; None for what is not known."""
    if is_results(content):
        return "results"
    if is_saved_result(content):
        return "result"
    if is_ytvis(content):
        return "ytvis"
    if is_coco(content) and not is_panoptic(content):
        return "cocovid" if isinstance(content.get("videos"), list) and content["videos"] else "coco"
    return None


def describe_json(content: Any, path: str | Path) -> str:
    """What a JSON file is that is not what it was taken for, and what to do with it."""
    if kind_of_json(content) in ("results", "result"):
        return f"it is a results file; convert it with 'mmdet-vis convert {path} NEW.json', or evaluate it"
    if is_labelme(content):
        return f"it is a frame of labelme; give its folder, {Path(path).parent}"
    if (known := other_json(content)) is not None:
        return known
    if isinstance(content, dict) and "videos" in content:
        return "it has no list 'videos' whose entries have file_names: give a YouTube-VIS annotation file"
    named = ", ".join(sorted(map(str, content))[:6]) if isinstance(content, dict) else type(content).__name__
    return f"it has no list 'videos' (it has: {named:.100}); give a YouTube-VIS annotation file"


def _of_file(path: Path) -> str:
    suffix = path.suffix.lower()
    if (other := other_file(path)) is not None:
        raise DatasetError(f"{path} is no annotation file that is known: {other}")
    if suffix == ".xml":
        return "cvat"
    if zipfile.is_zipfile(path):
        return "results"
    if suffix == ".txt" and is_mots(path):
        return "mots-txt"
    if suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
        raise DatasetError(f"{path} is a video or an image: segment it, or give its annotations")
    if suffix == ".txt" or suffix in _NO_ANNOTATIONS:
        what = other_text(path) or "of text files, those of MOTS with masks are"
        raise DatasetError(f"{path} is no file of annotations that is known ({what}): see docs/formats.md")
    content = read_json(path)
    kind = kind_of_json(content)
    if kind is None:
        raise DatasetError(f"{path} is no annotation file that is known: {describe_json(content, path)}")
    return kind


def _of_folder(path: Path) -> str | None:
    below = list_folders(path)
    if is_cvat_masks(path):  # has these folders, too
        return "cvat-masks"
    if (path / "ImageSets").is_dir() and (path / "JPEGImages").is_dir() and not is_voc(path):
        return "davis"
    if any(export_file(place) is not None for place in (path, *below)):
        return "cvat"
    if instance_folders(path) != [path]:
        return "mots"
    if mots_files(path):
        return "mots-txt"
    if (path / RESULTS).is_file():
        return "results"
    for place in (path, *folders_below(path)):
        files = [file for file in list_files(place, ".json") if file.is_file()][:_LOOKED_AT]
        if any(is_labelme(read_json(file)) for file in files):
            return "labelme"
    return None
