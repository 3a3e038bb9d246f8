"""Which folders hold frames, beside others that hold masks: by their names, and by what is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmdet_vis.data.formats.number_pngs import png_mode, read_colours
from mmdet_vis.data.sources.folder import folders_below, list_folders, list_images
from mmdet_vis.errors import DatasetError

FRAME_FOLDERS = ("JPEGImages", "frames", "images", "image_02", "img1", "training/image_02")
"""Beside a folder of masks: where a folder of frames per video is looked for first."""
_FRAME_NAMES = {name.casefold() for name in FRAME_FOLDERS} | {
    "frame", "image", "img", "imgs", "rgb", "color", "colour", "input", "original", "originals", "video_frames",
}  # fmt: skip
_COLOURS = 256
"""A picture of more colours is a photograph: no palette has more."""
_SHADES = 64


def is_frame_name(name: str) -> bool:
    """Whether a folder of frames is called so, in any case."""
    return plain_folder(name) in _FRAME_NAMES


def plain_folder(name: str) -> str:
    """The name of a folder without its case, and without the rate that SA-V has in it (``JPEGImages_24fps``)."""
    return re.sub(r"_\d+fps$", "", name.casefold())


def find_images(root: Path, images: Path | None, videos: Sequence[str]) -> Path | None:
    """The folder with a folder of frames per video: ``images``, or one beside ``root`` that has them."""
    if images is not None:
        return images if images.is_dir() else None
    # Of MOTS, the masks are one folder deeper: there, only folders called as the videos count.
    for parents, alone in (((root.parent, root), len(videos) == 1), ((root.absolute().parent.parent,), False)):
        folders = [parent / name for name in FRAME_FOLDERS for parent in parents]
        folders += [folder for parent in parents for folder in list_folders(parent) if is_frame_name(folder.name)]
        for folder in (*folders, *(folder / root.name for folder in folders)):  # such as JPEGImages/480p, frames/train
            if folder == root or not folder.is_dir():
                continue
            if any((folder / video).is_dir() for video in videos) or (alone and list_images(folder)[0]):
                return folder
    beside = [folder for folder in list_folders(root.parent) if folder.name != root.name]
    shown = [folder for folder in beside if any(holds_frames(folder / video) for video in videos[:_SHADES])]
    return shown[0] if len(shown) == 1 else None


def holds_frames(folder: Path) -> bool:
    """Whether the images that a folder itself holds are frames: no PNGs, or photographs."""
    images = list_images(folder)[0] if folder.is_dir() else []
    return bool(images) and (images[0].suffix.lower() != ".png" or is_photo(images[0]))


def shows_frames(folder: Path) -> bool:
    """Whether a folder, or the first one below it that holds images, holds frames."""
    first = next((place for place in (folder, *folders_below(folder)) if list_images(place)[0]), None)
    return first is not None and holds_frames(first)


def is_photo(png: Path) -> bool:
    """Whether a PNG has more colours, or shades spread wider, than masks have."""
    if png_mode(png) not in ("RGB", "RGBA", "L"):
        return False
    try:
        colours, counts = np.unique(read_colours(png), return_counts=True)
    except DatasetError:
        return False
    if len(colours) > _COLOURS:
        return True
    grey = bool((colours % 0x10101 == 0).all())  # of a mask with soft edges, most is black or white
    return grey and len(colours) > _SHADES and 2 * int(np.sort(counts)[-2:].sum()) < int(counts.sum())
