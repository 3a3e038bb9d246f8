"""Annotations of programs and formats that are not read: what they are, and how to get one that is."""

from __future__ import annotations

import re
import zipfile
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

_PANOPTIC = (
    "it lists the segments of panoptic PNGs (COCO panoptic, VIPSeg), whose masks are in the PNGs; convert it to COCO "
    "or YouTube-VIS, an id of a segment as the track_id"
)
_BURST = "it is of BURST; convert it to YouTube-VIS (sequences have masks by track id and frame)"
_LABELBOX = "it is of Labelbox; export COCO or masks"
_KEYS = (
    ({"sequences", "split"}, _BURST),
    ({"sequences", "categories"}, _BURST),
    ({"samples"}, f"it lists the samples of FiftyOne; {_COCO}"),
    ({"item", "annotations"}, f"it is of V7 Darwin; {_COCO}"),
    ({"image", "annotations", "dataset"}, f"it is of V7 Darwin; {_COCO}"),
    ({"metadata", "instances"}, f"it is of SuperAnnotate; {_COCO}"),
    ({"object_answers", "data_units"}, f"it is of Encord; {_COCO}"),
    ({"jsonResponse"}, f"it is of Kili; {_COCO}"),
    ({"info", "objects"}, f"it is a frame of ISAT; {_COCO}"),
    ({"imgHeight", "imgWidth", "objects"}, "it holds the polygons of Cityscapes; give its *_instanceIds.png masks"),
    ({"version", "tags", "shapes", "tracks"}, 'it is of a backup of CVAT; export the task as "CVAT for video 1.1"'),
    ({"masklet", "video_id"}, "it is of SA-V; give the folder that has Annotations_6fps and JPEGImages_24fps"),
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
    (
        {"video_id", "track_id", "segmentation"},
        "it is a list of masks of single frames, as TAO has its tracks; write it as "
        "COCO (images, annotations with track_id and video_id, categories)",
    ),
    ({"shapes", "tracks", "tags"}, 'it is of a backup of CVAT; export the task as "CVAT for video 1.1"'),
    ({"object_answers"}, f"it is of Encord; {_COCO}"),
    ({"externalId", "labels"}, f"it is of Kili; {_COCO}"),
    ({"jsonResponse"}, f"it is of Kili; {_COCO}"),
    ({"DataRow ID"}, _LABELBOX),
    ({"Label", "External ID"}, _LABELBOX),
    ({"annotator", "annotation_id"}, "it looks like an export of Label Studio; export it there as COCO"),
    ({"bbox", "mask", "category_token"}, f"it is of nuImages; {_COCO}"),
    ({"sample_data_token", "mask"}, f"it is of nuImages; {_COCO}"),
    ({"labelIdx", "points"}, f"it is of EISeg; {_COCO}"),
    ({"name", "labelIdx"}, f"it is of EISeg; {_COCO}"),
    ({"view_id", "mask"}, f"it is of Pixano; {_COCO}"),
    ({"annotations", "data"}, "it looks like an export of Label Studio; export it there as COCO"),
    ({"image_id", "category_id", "score"}, "it is a list of COCO detections of single images, which no track links"),
    ({"frames", "videoName"}, f"it is of Scalabel or BDD100K; {_COCO}"),
    ({"name", "labels"}, f"it is of Scalabel or BDD100K; {_COCO}"),
    ({"data_row"}, _LABELBOX),
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
        if is_panoptic(content):
            return _PANOPTIC
        return next((text for keys, text in _KEYS if keys <= content.keys()), None) or _by_entries(content)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return next((text for keys, text in _ENTRIES if keys <= content[0].keys()), None)
    return None


def is_panoptic(content: dict[str, Any]) -> bool:
    """Whether a dict is a file of COCO panoptic, or of VIPSeg, which has a list for each video."""
    entries = content.get("annotations")
    return _holds(entries, "segments_info") or (_holds(entries, "annotations") and _holds(entries, "video_id"))


def _holds(entries: Any, key: str) -> bool:
    """Whether a list begins with an object that has this key."""
    return isinstance(entries, list) and bool(entries) and isinstance(entries[0], dict) and key in entries[0]


def _by_entries(content: dict[str, Any]) -> str | None:
    """Of an object that has a key for each image or object, by what is under the first."""
    first = next(iter(content.values()), None)
    if isinstance(first, dict) and {"filename", "regions"} <= first.keys():
        return f"it holds annotations of VIA; {_COCO}"
    rle = {"size", "counts"}
    if isinstance(first, list) and first and all(e is None or (isinstance(e, dict) and rle <= e.keys()) for e in first):
        return "it is a dict of masks by object, as MeViS has it; give its folder with masks as PNGs, or write COCO"
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
    return next((text for starts, text in _LINES if line.startswith(starts)), None)


_LINES = (
    (("filename,file_size", "#filename,file_size"), f"it is a table of VIA; {_COCO}"),
    ("# CSV_HEADER", f"it is a table of VIA 3; {_COCO}"),
    (("ImageID,", "MaskPath,"), "it is a table of OpenImages, which has no tracks; convert it to COCO"),
    (("train:", "path:", "names:"), "it is the data.yaml of YOLO, whose labels have no tracks; convert them to COCO"),
    ('{"source-ref"', f"it is a manifest of SageMaker; {_COCO}"),
)
_TABLES = "it holds arrays or a table; write the masks as PNGs (a folder of each video) or as COCO"
_ARRAYS = dict.fromkeys((".npy", ".npz", ".mat", ".h5", ".hdf5", ".parquet", ".tfrecord", ".pkl", ".pickle"), _TABLES)
_NOT_READ = "it is an archive of a kind that is not read: unpack it and give the folder"
_PACKED = dict.fromkeys((".rar", ".7z", ".zst"), _NOT_READ) | {
    ".zip": "it is a zip archive that is cut short or damaged: get it again"
}


def other_file(path: Path) -> str | None:
    """What a file is that is neither JSON nor a video, by its ending or first bytes; None for what is not known."""
    suffix = path.suffix.lower()
    if suffix in LINES or suffix in _ARRAYS:
        return LINES.get(suffix) or _ARRAYS[suffix]
    if suffix == ".xml":
        with open(path, "rb") as stream:
            head = stream.read(2**12).replace(b"\0", b"")
        is_of_cvat, is_voc = b"<annotations" in head, b"<folder>" in head or b"<annotation>" in head
        return f"it is of Pascal VOC or LabelMe, which have no tracks; {_COCO}" if is_voc and not is_of_cvat else None
    if suffix in _PACKED and not zipfile.is_zipfile(path):
        return _PACKED[suffix]
    return other_text(path) if suffix == ".manifest" else None


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
        for suffix in (".txt", ".csv", ".yaml", ".manifest"):
            for file in list_files(place, suffix)[:2]:
                if file.is_file() and (known := other_text(file)) is not None:
                    return f"{file.name}: {known}"
        for suffix in (".xml", ".zip", *_ARRAYS):
            for file in [file for file in list_files(place, suffix)[:1] if file.is_file()]:
                if suffix == ".zip" and zipfile.is_zipfile(file):
                    return f"{file.name}: it is an archive in the folder: give it by its own name"
                if (known := other_file(file)) is not None:
                    return f"{file.name}: {known}"
    return None
