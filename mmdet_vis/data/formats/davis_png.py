"""DAVIS results: one palette PNG per frame whose pixel values are object numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.number_pngs import NUMBERS, encode_png, read_numbers
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.structures import VideoResult
from mmdet_vis.structures.masks import cover_map
from mmdet_vis.structures.sequence import frame_stems

# The unsupervised track of DAVIS evaluates at most 20 proposals per video.
MAX_OBJECTS = 20


def index_maps(result: VideoResult, max_objects: int = MAX_OBJECTS) -> Iterator[NDArray[np.uint8]]:
    """Index map of each frame, one frame at a time.

    Args:
        result: masks at the video's original size, the most confident sequence first.
        max_objects: how many of the first sequences are drawn, at most 255.

    Yields:
        T maps ``[H, W]`` uint8: 1 + index of the first sequence that covers the pixel, 0 for background. Masks that a
        person gave on the frame come before all others: they are as they were given.
    """
    if not 0 <= max_objects <= 255:
        raise ValueError(f"max_objects must be 0 to 255 (8 bits per pixel), got {max_objects}")
    sequences = result.sequences[:max_objects]
    for frame in range(result.num_frames):
        ranked = sorted(range(len(sequences)), key=lambda index: frame not in sequences[index].given)
        cover = cover_map([sequences[index].masks[frame] for index in ranked], result.height, result.width)
        yield np.array([0, *(index + 1 for index in ranked)], np.uint8)[cover]


def write_davis_pngs(result: VideoResult, folder: str | Path, max_objects: int = MAX_OBJECTS) -> None:
    """Write ``folder/<frame name>.png`` for each frame: 8-bit palette PNGs with the DAVIS palette.

    A video without sequences gives frames that are all background: the evaluation wants a file per frame.

    Raises:
        OutputError: if the folder or a file cannot be written.
    """
    folder = ensure_writable_dir(folder)
    palette = voc_palette().tobytes()
    for stem, index_map in zip(frame_stems(result), index_maps(result, max_objects), strict=True):
        atomic_write(folder / f"{stem}.png", encode_png(index_map, palette))


def read_index_png(path: str | Path) -> NDArray[np.uint8]:
    """The stored values of a palette or grey PNG of 1, 2, 4 or 8 bits, ``[H, W]`` uint8; greys are not stretched.

    Raises:
        DatasetError: if the file is missing, damaged, or not such a PNG.
    """
    return read_numbers(Path(path), NUMBERS).astype(np.uint8)


def voc_palette() -> NDArray[np.uint8]:
    """The colour map of Pascal VOC, which DAVIS uses for its index PNGs.

    The bits of an index, taken in threes from the lowest, become the bits of red, green and blue from the
    highest down; so neighbouring indices get very different colours and index 0 is black: ``[256, 3]`` uint8, RGB.
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            bit = (index >> (3 * step + channel)) & 1
            palette[:, channel] |= (bit << (7 - step)).astype(np.uint8)
    return palette
