"""Pictures of masks that are not read: what they are, by the files' names and pixels, and how to get some that are."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.davis_layout import is_voc
from mmdet_vis.data.formats.mask_folders import MAX_OBJECTS
from mmdet_vis.data.formats.number_pngs import COLOURS, DEEP, open_png, png_mode, read_numbers
from mmdet_vis.data.sources.folder import folders_below, list_files, list_images
from mmdet_vis.errors import DatasetError, option

_COCO = "convert them to COCO, with the number of each object (track_id)"
_NAMES = (
    (r".*_(instance|label)(Train)?Ids|.*_gt(Fine|Coarse)_color",
     "masks of Cityscapes, which are of single images and number parts of the scene, too; convert them to COCO"),
    (r"task-\d+-annotation-.*tag-.*",
     "brush masks of Label Studio, a PNG for each task and label; save them as VIDEO/OBJECT/FRAME.png"),
)  # fmt: skip
_MASK = re.compile(r"(.+?)[ _.-]?(mask|seg|label|labels|gt)", re.IGNORECASE)
_OF_OBJECT = re.compile(r"(\d{3,})[_-](\d{1,3})")
_FOLDERS, _PNGS = 100, 3


def _other_masks(root: Path, pixels: bool) -> str | None:
    """What the masks in a folder, or the folders in it, are that is not read; None for what may be."""
    if is_voc(root):
        return (
            "Pascal VOC, in which no object is linked over frames; give the files that it was made from (of labelme, "
            "CVAT), or SegmentationObject where numbers stay with objects"
        )
    if (root / "label_colors.txt").is_file():
        return 'CamVid, as CVAT exports it: colours are of classes; export the task as "CVAT for video 1.1"'
    looked = 0
    for place in (root, *islice(folders_below(root), _FOLDERS)):
        pngs = list_files(place, ".png")
        if not pngs:
            continue
        above = (root.name, *place.relative_to(root).parts)
        panoptic = next((part for part in above if part.casefold().startswith(("panomasks", "panoptic_maps"))), None)
        if panoptic is not None:
            return f"panoptic masks ({panoptic}, as VIPSeg and KITTI-STEP have); {_COCO}"
        known = _by_names(place, pngs)
        looked += 1
        if pixels and known is None and looked <= _PNGS:
            known = next((text for png in pngs[:_PNGS] if (text := _by_pixels(png)) is not None), None)
        if known is not None:
            return known
    return None


def _by_names(place: Path, pngs: list[Path]) -> str | None:
    for pattern, text in _NAMES:
        if re.fullmatch(pattern, pngs[0].stem) or re.fullmatch(pattern, pngs[-1].stem):
            return text
    stems = {image.stem for image in list_images(place)[0]}
    beside = [png for png in pngs if (match := _MASK.fullmatch(png.stem)) and match[1] in stems]
    if beside:
        return f"frames and masks ({beside[0].name}) in one folder; put the masks into a folder of their own"
    parts = [_OF_OBJECT.fullmatch(png.stem) for png in pngs]
    frames = Counter(match[1] for match in parts if match)
    if all(parts) and len(frames) > 1 and max(frames.values()) > 1:
        return f"a PNG for each object of a frame ({pngs[0].name}) in one folder; save them as VIDEO/OBJECT/FRAME.png"
    return None


def _by_pixels(png: Path) -> str | None:
    mode = png_mode(png)
    try:
        if mode in DEEP:
            numbers = np.unique(read_numbers(png))
            numbers = numbers[(numbers > 0) & (numbers < 65535)]
            if len(numbers) and numbers.min() < 1000 and numbers.max() > MAX_OBJECTS:
                return (
                    "16-bit panoptic masks of class and object, as VIPSeg and Cityscapes have, with classes that have "
                    f"no objects; {_COCO}, or name index if each number is an object"
                )
        elif mode == "RGBA" and has_soft_alpha(png):
            red = _channels(png)[..., 0]
            if red.max() <= 10:
                return (
                    f"bitmasks of BDD100K (red is the class, blue and alpha the object); {_COCO}, "
                    "by bdd100k.label.to_coco"
                )
        elif mode == "RGB":
            red, green, blue = _channels(png).transpose(2, 0, 1)
            classes = np.unique(red)
            numbered = bool(blue.any()) and bool((red != green).any())  # no grey numbers
            if numbered and len(classes) > 2 and green.max() <= 8 and ((classes <= 18) | (classes == 255)).all():
                return f"panoptic maps of KITTI-STEP (red is the class, green and blue the object); {_COCO}"
    except DatasetError:
        return None  # the reader says what is wrong with the file
    return None


def has_soft_alpha(png: Path) -> bool:
    """Whether a PNG has pixels that are neither transparent nor opaque: their alpha may be a number."""
    if png_mode(png) not in ("RGBA", "LA"):
        return False
    alpha = _channels(png)[..., -1]
    return bool(((alpha > 0) & (alpha < 255)).any())


def _channels(png: Path) -> NDArray[np.uint8]:
    return np.asarray(open_png(png, COLOURS)[0])


def refuse_other_masks(root: Path, pixels: bool = True) -> None:
    """Say what the masks in a folder are that is not read; without ``pixels``, no file is opened: some may be frames.

    Raises:
        DatasetError: they are of a kind that is known, and not read.
    """
    if (known := _other_masks(root, pixels)) is not None:
        raise DatasetError(
            f"{root} is no format that is read: it holds {known} (docs/formats.md; {option('from_format')} reads it as "
            "a format all the same)"
        )
