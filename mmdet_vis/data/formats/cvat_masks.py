"""CVAT's "Segmentation mask 1.1" (Pascal VOC): colours of instances and of classes, a PNG of each for every frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.frame_folders import find_images
from mmdet_vis.data.formats.mask_folders import FrameFiles, collect_masks
from mmdet_vis.data.formats.number_pngs import read_colours
from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.folder import list_files
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, decode_masks

OBJECTS, CLASSES, LABELS = "SegmentationObject", "SegmentationClass", "labelmap.txt"


def is_cvat_masks(root: Path) -> bool:
    """Whether a folder is an unpacked export."""
    return (root / OBJECTS).is_dir() and (root / LABELS).is_file()


def read_cvat_masks(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read an unpacked export: ``SegmentationObject``, ``SegmentationClass`` and ``labelmap.txt``.

    CVAT colours the instances of each frame anew, in the order of their drawing: that one class and one colour are one
    object through the video is a guess, and is noted.

    Raises:
        DatasetError: a file is missing or cannot be read.
    """
    found = AnnotatedVideos(f"CVAT masks of {root}")
    labels = _labels(root / LABELS)
    pngs = [png for png in (root / OBJECTS).rglob("*") if png.suffix.lower() == ".png" and not png.name.startswith(".")]
    folders = sorted({png.parent for png in pngs}, key=lambda path: natural_key(str(path)))
    if not folders:
        raise DatasetError(f"{root / OBJECTS} holds no PNGs: export the task with its masks again")
    names = [folder.relative_to(root / OBJECTS).as_posix() for folder in folders]
    found.images = find_images(root / OBJECTS, options.images, [name for name in names if name != "."] or [root.name])
    for name, folder in zip(names, with_bar(folders, "videos", shown=options.progress), strict=True):
        pngs = list_files(folder, ".png")
        frames = FrameFiles(found, [png.stem for png in pngs], "" if name == "." else name, found.images, folder)
        objects, size = collect_masks(pngs, read_colours)
        classes = [root / CLASSES / png.relative_to(root / OBJECTS) for png in pngs]
        video = frames.add_video(found, root.resolve().name if name == "." else name, size)
        for (_, label), masks in _by_class(objects, classes, labels).items():
            found.add_track(video, label, frames.spread(masks))
        found.notes.guessed["objects linked over frames by colour, which CVAT gives anew in each"] += len(video.tracks)
    return found


def _by_class(
    objects: dict[Hashable, list[RLE | None]], classes: list[Path], labels: dict[int, str]
) -> dict[tuple[Hashable, str], list[RLE | None]]:
    """Masks by the colour of the instance and the name of the class that most of its pixels have in each frame."""
    parts: dict[tuple[Hashable, str], list[RLE | None]] = {}
    for frame, file in enumerate(classes):
        colours: NDArray[np.int32] = read_colours(file)
        for colour, masks in objects.items():
            rle = masks[frame]
            if rle is None:
                continue
            inside = decode_masks([rle])[0].astype(bool)
            if inside.shape != colours.shape:
                raise DatasetError(f"{file} has another size than its instances: export the task again")
            most = Counter(colours[inside].tolist()).most_common(1)[0][0]
            label = labels.get(most, f"#{most:06x}")
            parts.setdefault((colour, label), [None] * len(classes))[frame] = rle
    return parts


def _labels(file: Path) -> dict[int, str]:
    """Names of classes by their colours 0xRRGGBB, of lines ``name:r,g,b:parts:actions``."""
    labels = {}
    for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        parts = line.split(":")
        numbers = parts[1].split(",") if len(parts) > 1 else []
        if (
            not line.startswith("#")
            and len(numbers) == 3
            and all(n.strip().isdecimal() and len(n) < 10 for n in numbers)
        ):
            red, green, blue = (int(n) & 255 for n in numbers)
            labels[red << 16 | green << 8 | blue] = parts[0]
    return labels
