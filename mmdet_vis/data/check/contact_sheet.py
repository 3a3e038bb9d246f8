"""One picture with some annotated frames of a dataset, to see at a glance whether masks and frames belong together."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.check.check import CheckedVideo, DatasetReport
from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.errors import DatasetError, option
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.structures.masks import empty_rle
from mmdet_vis.visualization.overlay import draw_overlay

_TILES = 16
_TILE = (180, 320)  # height, width in pixels
_GAP = 4


def draw_contact_sheet(report: DatasetReport, path: str | Path) -> None:
    """Draw frames of up to 16 videos, spread evenly over the dataset, with their masks; write a PNG.

    Of each video it is the readable frame in which the most faultless objects are visible, the middle one of them.

    Raises:
        DatasetError: no frame can be read.
        OutputError: the file cannot be written.
    """
    usable = [video for video in report.videos.values() if any(video.readable)]
    if not usable:
        raise DatasetError(
            f"{report.name}: no contact sheet is drawn, since no frame can be read; check {option('img_prefix')}"
        )
    count = min(_TILES, len(usable))
    chosen = [usable[index * len(usable) // count] for index in range(count)]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    height, width = _TILE
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for number, video in enumerate(chosen):
        y = _GAP + number // columns * (height + _GAP)
        x = _GAP + number % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = _tile(video, report)
    _, data = cv2.imencode(".png", sheet)
    ensure_writable_dir(Path(path).parent)
    atomic_write(path, data.tobytes())


def _tile(video: CheckedVideo, report: DatasetReport) -> NDArray[np.uint8]:
    """A frame with its masks in the middle of a tile, ``[H, W, 3]`` uint8, BGR."""
    counts = [
        sum(entry.masks[frame] is not None for entry in video.objects) if readable else -1
        for frame, readable in enumerate(video.readable)
    ]
    best = [frame for frame, number in enumerate(counts) if number == max(counts)]
    frame = best[len(best) // 2]
    image = ImageFilesSource([video.files[frame]], str(video.id)).read(0, 1)[0]
    empty = empty_rle(video.height, video.width)
    drawn = draw_overlay(
        image,
        [entry.masks[frame] or empty for entry in video.objects],
        [report.categories[entry.category_id].replace("_", " ") for entry in video.objects],
        list(range(1, len(video.objects) + 1)),
    )
    scale = min(_TILE[0] / video.height, _TILE[1] / video.width)
    size = (max(1, round(video.width * scale)), max(1, round(video.height * scale)))
    small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((*_TILE, 3), np.uint8)
    y, x = (_TILE[0] - size[1]) // 2, (_TILE[1] - size[0]) // 2
    tile[y : y + size[1], x : x + size[0]] = small
    return tile
