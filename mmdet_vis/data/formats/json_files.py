"""Reading the JSON files of annotations and results."""

from __future__ import annotations

import gc
import json
import logging
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmdet_vis.checks import check_path
from mmdet_vis.data.categories import plain_name
from mmdet_vis.errors import DatasetError, ResultsError, UserError
from mmdet_vis.files.zips import ZIP_ERRORS, read_member

_LOGGER = logging.getLogger(__name__)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Do not look for reference cycles; everything else is freed as ever.

    Reading results is twice as fast: new lists and dicts start the search, and it looks through all that there are.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


RESULTS_MEMBER = "results.json"


def load_annotations(path: str | Path, guessed: Counter[str] | None = None) -> dict[str, Any]:
    """Read a YouTube-VIS annotation file.

    Categories whose names differ in case, spaces and ``_`` alone are one: that of the first spelling. So are those of
    a COCO file that have the same name: Roboflow lists one again above all. ``guessed`` counts what was taken for
    something else; without it, that is logged as a warning.

    Raises:
        DatasetError: if it is missing or not a JSON object.
    """
    check_path("path", path)
    content = read_json(path)
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is not a YouTube-VIS annotation file: its top level must be an object {{...}}")
    for text in _join_spellings(content):
        if guessed is None:
            _LOGGER.warning("%s: %s", path, text)
        else:
            guessed[text] += 1
    return content


def _join_spellings(content: dict[str, Any]) -> list[str]:
    """Give objects of a category that is there in two spellings its first one, in place; a line for each other."""
    entries, objects = content.get("categories"), content.get("annotations")
    if not isinstance(entries, list):
        return []
    named = [e for e in entries if isinstance(e, dict) and type(e.get("id")) is int and isinstance(e.get("name"), str)]
    first: dict[str, dict[str, Any]] = {}
    same: dict[int, int] = {}
    others = []
    lines = []
    for entry in named:
        known = first.setdefault(plain_name(entry["name"]), entry)
        again = known["name"] == entry["name"]
        if known["id"] == entry["id"] or (again and not isinstance(content.get("images"), list)):
            continue
        same[entry["id"]] = known["id"]
        others.append(entry)
        if again:
            lines.append(f"category listed again ({entry['name']!r:.40} with the id {entry['id']}, taken as the first)")
        else:
            lines.append(f"category spelt in another way ({entry['name']!r:.40} taken as {known['name']!r:.40})")
    if same:
        content["categories"] = [e for e in entries if not any(e is other for other in others)]
        for item in objects if isinstance(objects, list) else ():
            if isinstance(item, dict) and type(item.get("category_id")) is int:
                item["category_id"] = same.get(item["category_id"], item["category_id"])
    return lines


def load_results(path: str | Path) -> list[dict[str, Any]]:
    """Read YouTube-VIS results: a JSON list, or a zip that holds it as ``results.json``.

    The entries are not checked here: ``evaluate`` does, since that needs the annotations.

    Raises:
        ResultsError: if the file is missing, damaged or not a JSON list.
    """
    check_path("path", path)
    content = read_results_json(path)
    if not isinstance(content, list):
        what = content if isinstance(content, dict) else {}
        if what.get("format") == "mmdet_vis result":
            raise ResultsError(f"{path} is a saved result of one video: give the results.json of its run")
        if "annotations" in what:
            raise ResultsError(f"{path} is an annotation file: the results come first, then the annotations")
        raise ResultsError(f"{path} is not a results file: its top level must be a list of sequences [...]")
    return content


def read_results_json(path: str | Path) -> Any:
    """The parsed JSON of a results file or zip, whatever it holds.

    Raises:
        ResultsError: if it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return read_json(path, ResultsError)
    try:
        with zipfile.ZipFile(path) as archive:
            data = read_member(archive, RESULTS_MEMBER)
    except KeyError:
        raise ResultsError(f"{path} holds no {RESULTS_MEMBER} at its top level: zip that file alone") from None
    except ZIP_ERRORS as error:
        raise ResultsError(f"cannot read {RESULTS_MEMBER} in {path} ({error}): write the zip again") from error
    return _parse(data, f"{RESULTS_MEMBER} in {path}", ResultsError)


def fields(entry: Any, types: Mapping[str, type], label: str) -> list[Any]:
    """Values of an entry of a list, which messages call ``label``, of exactly these types (True is no whole number).

    Raises:
        DatasetError: it is no object, or a key is missing or has a value of another type.
    """
    if not isinstance(entry, dict):
        raise DatasetError(f"{label} is not an object {{...}}: correct the file")
    for key, kind in types.items():
        if type(entry.get(key)) is not kind:
            what = "whole number" if kind is int else "text"
            raise DatasetError(f"{label} has {key} {entry.get(key)!r:.40}, not a {what}: correct the file")
    return [entry[key] for key in types]


def read_json(path: str | Path, error_type: type[UserError] = DatasetError, max_bytes: int | None = None) -> Any:
    """The parsed JSON of a file, whatever it holds.

    Raises:
        error_type: it cannot be read, or is larger than ``max_bytes``.
    """
    try:
        if max_bytes is not None and Path(path).stat().st_size > max_bytes:
            raise error_type(f"{path} is larger than {max_bytes / 2**30:g} GB, more than is read: give another file")
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise error_type(f"{path} does not exist: check the path") from None
    except IsADirectoryError:
        raise error_type(f"{path} is a folder: give the JSON file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise error_type(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    return _parse(data, str(path), error_type)


def _parse(data: bytes, name: str, error_type: type[UserError]) -> Any:
    if data.startswith(tuple(_SIGNATURES)):
        raise error_type(f"{name} is not JSON text ({_what_is(data)}): give a JSON file")
    try:
        with collector_paused():
            return json.loads(data)
    except UnicodeDecodeError:
        raise error_type(f"{name} is not JSON text ({_what_is(data)}): give a JSON file, saved as UTF-8") from None
    except json.JSONDecodeError as error:
        if not data.strip():
            raise error_type(f"{name} is empty: write the file again") from None
        where = f"line {error.lineno}, column {error.colno}"
        what = error.msg.removesuffix(" at")
        raise error_type(f"{name} is not valid JSON ({what} at {where}): write the file again") from None
    except ValueError as error:  # a number of thousands of digits
        raise error_type(f"{name} is not valid JSON ({error}): write the file again") from None
    except RecursionError:
        raise error_type(f"{name} is not a results or annotation file: its JSON is nested too deeply") from None


_SIGNATURES = {
    b"Rar!": "a RAR archive: unpack it",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it",
    b"\x1f\x8b": "gzip data: unpack it",
}


def _what_is(data: bytes) -> str:
    known = next((f"it is {name}" for start, name in _SIGNATURES.items() if data.startswith(start)), None)
    if known is not None or b"\0" in data[:1000]:
        return known or "it is binary"
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"line {data[: error.start].count(10) + 1} is not UTF-8"
    return "its encoding is not known"


def is_finite(value: object) -> bool:
    """Whether a value of a JSON file is a finite number; true and false are none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond float64
        return False


def plain_id(value: Any) -> Any:
    """An id as a whole number where it is written as text or as a real number (``"7"``, ``7.0``); else as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and len(value) < 18 and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    return value


_IDS = {
    "images": ("id", "video_id", "frame_id", "height", "width"),
    "videos": ("id", "height", "width", "length"),
    "annotations": ("image_id", "video_id", "category_id", "track_id", "instance_id"),
    "categories": ("id",),
}


def write_ids_plainly(content: dict[str, Any], guessed: Counter[str]) -> None:
    """Write ids and sizes of a file of COCO or YouTube-VIS as whole numbers where they are text or real, in place."""
    for part, keys in _IDS.items():
        entries = content.get(part)
        for entry in entries if isinstance(entries, list) else ():
            for key in keys if isinstance(entry, dict) else ():
                value = entry.get(key)
                if type(value) is not int and type(plain := plain_id(value)) is not type(value):
                    entry[key] = plain
                    guessed[f"{key}s of {part} written as text or real numbers"] += 1


_TRACK_KEYS = frozenset(
    {"track", "trackid", "trackuuid", "tracknumber", "instanceid", "instanceuuid", "trackingid", "objecttrackid"}
)


def is_track_key(key: str) -> bool:
    """Whether a key of an annotation, or an attribute, names its object in the video: ``track_id``, ``Track ID``.

    What it says is the same in all frames of an object.
    """
    return isinstance(key, str) and key.casefold().replace("_", "").replace(" ", "").replace("-", "") in _TRACK_KEYS


def track_of(entry: Mapping[str, Any]) -> int | str | None:
    """What an annotation, or its ``attributes``, say of the object of the video that it is; None where they do not."""
    attributes = entry.get("attributes")
    for part in (entry, attributes if isinstance(attributes, dict) else {}):
        for key, value in part.items():
            if type(value) in (int, str, float) and value != "" and is_track_key(key):
                return plain_id(value)
    return None
