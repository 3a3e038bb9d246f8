"""A contact sheet: frames of a YouTube-VIS format dataset with the contours of its objects."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.synthvis.background import hsv
from mmdet_vis.errors import DatasetError, OutputError, option
from mmdet_vis.structures import decode_masks

_MARGIN, _CAPTION = 6, 22


def write_contact_sheet(
    split: str | os.PathLike[str],
    path: str | os.PathLike[str],
    videos: int = 8,
    columns: int = 5,
    cell_width: int = 384,
) -> None:
    """Write a PNG with one row per video: frames spread over it, each object outlined in its own colour.

    Args:
        split: folder with ``instances.json`` and ``JPEGImages``.
        path: PNG to write.
        videos: rows at most; the videos are taken evenly from the split.
        columns: frames per video at most.
        cell_width: width of a frame in the sheet, in pixels.

    Raises:
        DatasetError: the split cannot be read.
        OutputError: the picture cannot be written.
    """
    split, path = Path(split), Path(path)
    try:
        content = json.loads((split / "instances.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{split / 'instances.json'}: cannot be read: {error}") from error
    names = {c["id"]: c["name"] for c in content["categories"]}
    count = min(videos, len(content["videos"]))
    picked = np.linspace(0, len(content["videos"]) - 1, count).round().astype(int)
    rows = []
    for video in (content["videos"][i] for i in picked):
        objects = [a for a in content["annotations"] if a["video_id"] == video["id"]]
        rows.append(_draw_row(split / "JPEGImages", video, objects, names, columns, cell_width))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    data = cv2.imencode(".png", np.concatenate(rows))[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _draw_row(
    images: Path,
    video: dict[str, Any],
    objects: list[dict[str, Any]],
    names: dict[int, str],
    columns: int,
    cell_width: int,
) -> NDArray[np.uint8]:
    """One video: a caption with its objects in their colours, and below it the frames side by side."""
    colours = [hsv(0.02 + i * 0.618, 0.9, 0.95).tolist() for i in range(len(objects))]
    cells = []
    for t in np.linspace(0, video["length"] - 1, min(columns, video["length"])).round().astype(int):
        cells.append(_draw_frame(images / video["file_names"][t], objects, colours, int(t), cell_width))
    row = np.concatenate(cells, axis=1)
    caption = np.full((_CAPTION, row.shape[1], 3), 255, np.uint8)
    x = _MARGIN
    labels = [(video["file_names"][0].split("/")[0], [0.0, 0.0, 0.0])]
    labels += [(names[o["category_id"]], colours[i]) for i, o in enumerate(objects)]
    for text, colour in labels:
        dark = [0.8 * c for c in colour]
        cv2.putText(caption, text, (x, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, dark, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)[0][0] + 18
    return np.concatenate([caption, row])


def _draw_frame(
    path: Path, objects: list[dict[str, Any]], colours: list[list[float]], t: int, cell_width: int
) -> NDArray[np.uint8]:
    """A frame scaled to ``cell_width`` with the contours of its visible objects, and a white margin."""
    image = cv2.imread(str(path))
    if image is None:
        raise DatasetError(f"{path}: cannot be read; make the dataset again with {option('force', True)}")
    scale = cell_width / image.shape[1]
    size = (cell_width, max(1, round(image.shape[0] * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    for item, colour in zip(objects, colours, strict=True):
        if item["segmentations"][t] is None:
            continue
        mask = cv2.resize(decode_masks([item["segmentations"][t]])[0], size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, contours, -1, colour, 2, cv2.LINE_AA)
    return cv2.copyMakeBorder(image, 0, _MARGIN, 0, _MARGIN, cv2.BORDER_CONSTANT, value=(255, 255, 255))
