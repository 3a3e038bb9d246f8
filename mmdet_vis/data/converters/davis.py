"""Index PNGs, whose pixel values are object numbers, as YouTube-VIS annotations: DAVIS and folders like it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmdet_vis.data.converters.builder import YtvisBuilder
from mmdet_vis.data.formats.davis_layout import ANNOTATIONS, IMAGES, davis_set, find_davis_root
from mmdet_vis.data.formats.davis_png import read_index_png
from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, encode_masks

VOID = 255
"""Pixels of an index PNG that belong neither to an object nor to the background.

In the binary masks of DAVIS 2016, which hold no other number, it is the object.
"""


def convert_davis(
    root: str | Path,
    set_name: str = "val",
    year: int | None = None,
    resolution: str = "480p",
    annotations: str = ANNOTATIONS,
    progress: bool = False,
) -> YtvisBuilder:
    """Convert a set of a DAVIS folder; frame files are relative to ``JPEGImages/<resolution>``.

    The ``year`` is by default 2019 for the test sets and 2017 for others.

    Raises:
        DatasetError: the set, a video's annotations or one of its frames is missing or cannot be read.
    """
    root = find_davis_root(Path(root))
    names = davis_set(root, set_name, year)
    return convert_index_pngs(root / annotations / resolution, root / IMAGES / resolution, names, progress=progress)


def convert_index_pngs(
    annotations: str | Path,
    images: str | Path | None,
    names: Sequence[str] | None = None,
    category: str = "object",
    progress: bool = False,
) -> YtvisBuilder:
    """Convert folders ``annotations/<video>/<frame>.png``.

    Args:
        annotations: holds a folder of index PNGs for each video.
        images: holds a folder of frames for each video, called as the PNGs but for the ending. If it is None or does
            not exist, frames are taken to be called ``<video>/<frame>.jpg``.
        names: the videos in their order; all folders by default.
        category: name of the one category of all objects.
        progress: show a progress bar.

    Raises:
        DatasetError: see :func:`convert_davis`.
    """
    annotations = Path(annotations)
    if not annotations.is_dir():
        raise DatasetError(f"{annotations} is not a folder: give the one with a folder of index PNGs per video")
    if names is None:
        names = sorted((path.name for path in annotations.iterdir() if path.is_dir()), key=natural_key)
    builder = YtvisBuilder(f"index PNGs of {annotations}")
    builder.category_id(category)
    image_root = Path(images) if images is not None and Path(images).is_dir() else None
    for name in with_bar(names, "videos", shown=progress):
        add_index_pngs(builder, annotations / name, None if image_root is None else image_root / name)
    return builder


def add_index_pngs(builder: YtvisBuilder, folder: Path, images: Path | None) -> None:
    """Add one video, with an object for each number in its PNGs but 0; about 255 see :data:`VOID`.

    Raises:
        DatasetError: a PNG cannot be read or has another size, or PNGs and frames do not belong together.
    """
    pngs = sorted(folder.glob("*.png"), key=lambda path: natural_key(path.name))
    if not pngs:
        raise DatasetError(f"{folder} holds no index PNGs: unpack the annotations of all listed videos")
    files = _frame_files(pngs, images)
    objects: dict[int, list[RLE | None]] = {}
    size = (0, 0)
    for frame, png in enumerate(pngs):
        pixels = read_index_png(png)
        if frame and pixels.shape != size:
            raise DatasetError(
                f"{png} is {pixels.shape[1]}x{pixels.shape[0]} but {pngs[0].name} is {size[1]}x{size[0]}: "
                "all frames of a video must have one size"
            )
        size = (int(pixels.shape[0]), int(pixels.shape[1]))
        numbers = [int(number) for number in np.unique(pixels) if number]
        masks = encode_masks(pixels[None] == np.array(numbers, np.uint8)[:, None, None])
        for number, mask in zip(numbers, masks, strict=True):
            objects.setdefault(number, [None] * len(pngs))[frame] = mask
    if set(objects) != {VOID}:
        objects.pop(VOID, None)
    video_id = builder.add_video([f"{folder.name}/{file}" for file in files], *size)
    for number in sorted(objects):
        builder.add_object(video_id, 1, objects[number])


def _frame_files(pngs: Sequence[Path], images: Path | None) -> list[str]:
    """Names of the frames that the PNGs belong to."""
    if images is None:
        return [f"{png.stem}.jpg" for png in pngs]
    if not images.is_dir():
        raise DatasetError(f"{images} does not exist: unpack the images of all listed videos")
    by_stem = {file.stem: file.name for file in list_images(images)[0]}
    for png in pngs:
        if png.stem not in by_stem:
            raise DatasetError(f"{images} has no image for {png}: unpack the images again")
    if len(by_stem) > len(pngs):
        known = {png.stem for png in pngs}
        extra = next(name for stem, name in by_stem.items() if stem not in known)
        raise DatasetError(f"{images / extra} has no index PNG in {pngs[0].parent}: each frame needs one")
    return [by_stem[png.stem] for png in pngs]
