"""RGB PNGs in which every object of a video has a colour of its own, read and written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.davis_png import voc_palette
from mmdet_vis.data.formats.index_pngs import add_png_video, doubt, png_videos, read_labels, write_labels
from mmdet_vis.data.formats.mask_folders import Masks
from mmdet_vis.data.formats.mask_writing import owner_maps, write_pngs
from mmdet_vis.data.formats.number_pngs import encode_png, read_colours
from mmdet_vis.data.formats.other_masks import has_soft_alpha
from mmdet_vis.data.sources.folder import list_files
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar

VOID = 0xE0E0C0
"""The colour with which Pascal VOC outlines objects: of no object."""
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def read_colour_masks(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read folders ``root/<video>/<frame>.png``, or one such folder, with an object for each colour but black.

    Frames and errors are those of :func:`~mmdet_vis.data.formats.index_pngs.read_index`. In ``meta.json``, objects go
    by ``#rrggbb``.
    """
    found = AnnotatedVideos(f"colour masks of {root}")
    folders, found.images = png_videos(found, root, options.images)
    labels = {
        name: {str(int(key[1:], 16)): label for key, label in of_video.items() if _COLOUR.fullmatch(key)}
        for name, of_video in read_labels(root).items()
    }
    if not labels:
        found.category(options.category)

    def drop(objects: Masks) -> None:
        doubt(found, objects, "colours", "a black pixel")
        if objects.pop(VOID, None) is not None:
            found.notes.facts["videos with outlines in the void colour of Pascal VOC, which are of no object"] += 1

    for name, folder in with_bar(folders, "videos", shown=options.progress):
        pngs = list_files(folder, ".png")
        if not pngs:
            raise DatasetError(f"{folder} holds no colour PNGs: unpack the annotations of all videos")
        if any(has_soft_alpha(png) for png in pngs[:: max(1, len(pngs) // 20)]):
            found.notes.guessed["videos with half-transparent pixels (as opaque; is their alpha a number?)"] += 1
        add_png_video(found, name, pngs, found.images, read_colours, drop, labels.get(name), options.category)
    return found


def object_colours(number: int) -> np.ndarray:
    """Colours of ``number`` objects after black: ``[number + 1, 3]`` uint8, the first 255 those of Pascal VOC."""
    if number < 256:
        return voc_palette()[: number + 1]
    # An odd factor walks through all 24-bit numbers before one comes again.
    codes = np.arange(number + 1, dtype=np.int64) * 0x9E3779 & 0xFFFFFF
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)


def write_colour_masks(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``target/<video>/<frame>.png`` and ``meta.json``, which has the categories of the colours.

    Of overlapping masks, the first object has the pixels.

    Raises:
        OutputError: a file cannot be written.
    """
    names: dict[str, list[str]] = {}
    for video in videos.videos:
        colours = object_colours(len(video.tracks))
        write_pngs(target, video, ((f, encode_png(colours[m])) for f, m in owner_maps(videos, video)))
        names[video.name] = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours[1:]]
    write_labels(videos, target, names)
