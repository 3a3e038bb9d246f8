"""Annotations of programs and formats that are not read: what they are, and how to get one that is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.json_files import read_json
from mmdet_vis.data.sources.folder import list_files
from mmdet_vis.errors import DatasetError

_COCO = "export it there as COCO, with masks and the number of each object (track_id)"
LINES = dict.fromkeys(
    (".jsonl", ".ndjson"), "it is a list of JSON lines, as Labelbox and streams have it; export COCO or CVAT for video"
)
"""Endings of files with an object on each line."""

_KEYS = (
    ({"_via_img_metadata"}, f"it is a project of VIA; {_COCO}"),
    ({"file", "metadata", "attribute"}, f"it is a project of VIA 3; {_COCO}"),
    ({"categories", "items"}, 'it is of Datumaro; export the task as "CVAT for video 1.1" or COCO'),
    ({"size", "objects", "tags"}, f"it is a frame of Supervisely; {_COCO}"),
    ({"size", "frames", "framesCount"}, f"it is a video of Supervisely; {_COCO}"),
    ({"assets"}, f"it is a project of VoTT; {_COCO}"),
    ({"openlabel"}, f"it is of OpenLABEL; {_COCO}"),
    ({"frames", "config"}, f"it is of Scalabel or BDD100K; {_COCO}"),
    ({"log", "mask_colors"}, "it lists the masks of BURST or TAO; convert it to COCO with their tools"),
)
_ENTRIES = (
    ({"annotations", "data"}, "it looks like an export of Label Studio; export it there as COCO"),
    ({"image_id", "category_id", "score"}, "it is a list of COCO detections of single images, which no track links"),
    ({"frames", "videoName"}, f"it is of Scalabel or BDD100K; {_COCO}"),
    ({"name", "labels"}, f"it is of Scalabel or BDD100K; {_COCO}"),
    ({"data_row"}, "it is of Labelbox; export COCO or masks"),
)
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_BOXES = re.compile(rf"\d+[, ]+-?\d+(?:[, ]+{_NUMBER}){{4,8}}")
_YOLO = re.compile(rf"\d+(?: {_NUMBER}){{4,}}")


def other_json(content: Any) -> str | None:
    """What a JSON file of another program is, by its content; None for what is not known."""
    if isinstance(content, dict):
        if isinstance(content.get("images"), list) and "annotations" not in content:
            return "it lists the images of a COCO file that has no annotations, as a test set does"
        if isinstance(content.get("videos"), dict):
            return "it lists objects or sentences of YouTube-VOS; give the folder that has Annotations and JPEGImages"
        return next((text for keys, text in _KEYS if keys <= content.keys()), None)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return next((text for keys, text in _ENTRIES if keys <= content[0].keys()), None)
    return None


def other_text(path: Path) -> str | None:
    """What a text file is by its first line; None for what is not known."""
    try:
        with open(path, "rb") as stream:
            line = stream.read(2**12).partition(b"\n")[0].decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if _BOXES.fullmatch(line) and "." not in line.split(",")[0]:
        numbers = line.replace(",", " ").split()
        if "," in line or all(number.isdecimal() for number in numbers[:2]):
            return "it holds boxes of MOT, which have no masks"
    if _YOLO.fullmatch(line):
        return "it holds labels of YOLO, which have no tracks; convert them to COCO"
    return None


def other_folder(places: Iterable[Path]) -> str | None:
    """What the folders of another program hold, by their first JSON or text files; None for what is not known."""
    for place in places:
        for file in list_files(place, ".json")[:1]:
            try:
                known = other_json(read_json(file)) if file.is_file() else None
            except DatasetError:
                known = None
            if known is not None:
                return f"{file.name}: {known}"
        for file in list_files(place, ".txt")[:2]:
            if file.is_file() and (known := other_text(file)) is not None:
                return f"{file.name}: {known}"
    return None
