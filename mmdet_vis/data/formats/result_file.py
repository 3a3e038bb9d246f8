"""A whole :class:`~mmdet_vis.structures.VideoResult` as one JSON file: plain data, checked when it is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from mmdet_vis.data.formats.json_files import is_finite, read_json
from mmdet_vis.data.sources import is_name
from mmdet_vis.data.sources.image_files import MAX_IMAGE_PIXELS
from mmdet_vis.errors import ResultsError
from mmdet_vis.files.atomic import atomic_stream
from mmdet_vis.structures import RLE, InstanceSequence, VideoResult, empty_rle
from mmdet_vis.structures.rle import InvalidMaskError, check_rles
from mmdet_vis.structures.sequence import SHOW_SCORE_THR

_Result = TypeVar("_Result", bound=VideoResult)

FORMAT = "mmdet_vis result"
VERSION = 1
MAX_BYTES = 2**32
_MOST = 1.001
"""A score of 1, with what rounding adds."""
_MOST_FPS = 1e30
MAX_FRAMES = 2**24
"""A file may say so without holding anything of that length."""


def write_result(path: str | Path, result: VideoResult) -> None:
    """Write a result as JSON: a head, then one line per sequence. The same result gives the same bytes.

    ``masks`` are the compressed runs of the RLEs, null where an object is not visible; their size is ``height`` and
    ``width`` of the head. Scores are written in full: :func:`read_result` gives an equal result.
    ``confidence``, ``proposed_on``, ``given`` and ``named`` are there where they say something.

    Raises:
        OutputError: the file cannot be written.
        ResultsError: the result has a name that cannot name a file, or scores that are not finite; an older file is
            kept.
    """
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    names = ("name", "height", "width", "num_frames", "fps", "frame_names", "categories", "category_ids", "show_thr")
    head |= {name: getattr(result, name) for name in names}
    _Reader(f"cannot write {path}", head).head()
    empty = empty_rle(result.height, result.width)["counts"]
    with atomic_stream(path) as stream:
        stream.write(json.dumps(head).encode()[:-1] + b', "sequences": [')
        for number, sequence in enumerate(result.sequences):
            entry = {
                "track_id": sequence.track_id,
                "label": sequence.label,
                "score": sequence.score,
                "class_scores": sequence.class_scores.tolist(),
                "masks": [None if rle["counts"] == empty else rle["counts"] for rle in sequence.masks],
            }
            if sequence.confidence is not None:
                entry["confidence"] = [float(str(value)) for value in sequence.confidence]  # the shortest
            if sequence.proposed_on is not None:
                entry["proposed_on"] = sequence.proposed_on
            if sequence.given:
                entry["given"] = list(sequence.given)
            if sequence.named:
                entry["named"] = True
            try:
                text = json.dumps(entry, allow_nan=False)
            except ValueError:
                number = sequence.track_id
                raise ResultsError(f"cannot write {path}: a score of sequence {number} is not finite") from None
            stream.write((",\n" if number else "\n").encode() + text.encode())
        stream.write(b"\n]}\n")


def read_result(path: str | Path, kind: type[_Result]) -> _Result:
    """Read what :func:`write_result` wrote, as this kind; nothing in it is executed, and nothing of it is trusted.

    Raises:
        ResultsError: the file is missing, damaged, of a later version, or something in it does not fit; one line that
            names it.
    """
    if str(path).endswith(".jsonl"):
        raise ResultsError(
            f"{path} is of a stream, a line for each frame: segment the video to have a result to correct"
        )
    content = read_json(path, ResultsError, MAX_BYTES)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ResultsError(
            f"{path} is not a result saved by VideoResult.save(): give one, such as NAME.result.json of a command"
        )
    if content.get("version") != VERSION:
        shown = str(content.get("version"))
        raise ResultsError(f"{path} is of version {shown:.20} of this format, {VERSION} is known: update mmdet_vis")
    reader = _Reader(str(path), content)
    head = reader.head()
    if not 0 <= head["show_thr"] <= 1:
        reader.fail(f"show_thr must be from 0 to 1, it is {head['show_thr']:g}")
    again = [name for name, times in Counter(head["categories"]).items() if times > 1]
    if again:
        reader.fail(f"categories must be different names, {again[0]!r:.60} is there more than once")
    entries = reader.take("sequences", "a list", lambda value: isinstance(value, list))
    empty = empty_rle(head["height"], head["width"])
    sequences = [_sequence(f"{path}: sequence {number}", entry, head, empty) for number, entry in enumerate(entries)]
    places: dict[int, int] = {}
    for number, sequence in enumerate(sequences):
        first = places.setdefault(sequence.track_id, number)
        if first != number:
            reader.fail(f"sequences {first} and {number} have the same track_id {sequence.track_id}: give one another")
    return kind(sequences=sequences, **head)


class _Reader:
    """Takes the values of an object one by one; what does not fit is a line that begins with ``where``."""

    def __init__(self, where: str, content: Any) -> None:
        self.where = where
        if not isinstance(content, dict):
            self.fail("is not an object {...}")
        self.content = content

    def fail(self, what: str) -> NoReturn:
        raise ResultsError(f"{self.where}: {what}")

    def take(self, key: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
        if key not in self.content:
            self.fail(f"{key} is missing")
        value = self.content[key]
        if not fits(value):
            self.fail(f"{key} must be {wanted}, it is {value!r:.60}")
        return value

    def whole(self, key: str, least: int, most: int) -> int:
        wanted = f"a whole number from {least} to {most}"
        return int(self.take(key, wanted, lambda v: type(v) is int and least <= v <= most))

    def entries(self, key: str, wanted: str, length: int | None, fits: Callable[[Any], bool]) -> list[Any]:
        """A list of values that fit, of a length where one is given."""

        def is_so(value: Any) -> bool:
            return isinstance(value, list | tuple) and len(value) == (length or len(value)) and all(map(fits, value))

        return list(self.take(key, wanted, is_so))

    def head(self) -> dict[str, Any]:
        """Everything but the sequences, as arguments of :class:`VideoResult`."""
        name = self.take("name", "a file's name", _names_a_file)
        height, width = (self.whole(key, 1, MAX_IMAGE_PIXELS) for key in ("height", "width"))
        if height * width > MAX_IMAGE_PIXELS:
            self.fail(f"frames of {width}x{height} have more than {MAX_IMAGE_PIXELS} pixels")
        length = self.whole("num_frames", 1, MAX_FRAMES)
        fps = self.take("fps", "null or a number above 0", lambda v: v is None or (is_finite(v) and 0 < v < _MOST_FPS))
        frames = self.take(
            "frame_names",
            f"empty or the names of {length} files",
            lambda v: isinstance(v, list) and len(v) in (0, length) and all(map(_names_a_file, v)),
        )
        self.take("categories", "names", bool)
        categories = self.entries("categories", "names", None, lambda n: isinstance(n, str))
        wanted = f"{len(categories)} whole numbers"
        ids = self.entries("category_ids", wanted, len(categories), lambda n: type(n) is int)
        if "show_thr" in self.content:  # older files lack it
            self.take("show_thr", "a number", is_finite)
        return {
            "name": name,
            "height": height,
            "width": width,
            "num_frames": length,
            "fps": fps,
            "frame_names": frames,
            "categories": tuple(categories),
            "category_ids": tuple(ids),
            "show_thr": float(self.content.get("show_thr", SHOW_SCORE_THR)),
        }


def _names_a_file(value: object) -> bool:
    # Results are written to files of these names, which must not lead out of their folder.
    return isinstance(value, str) and is_name(value) and value not in (".", "..") and not {"/", "\\"} & set(value)


def _sequence(where: str, entry: Any, head: dict[str, Any], empty: RLE) -> InstanceSequence:
    reader = _Reader(where, entry)
    number, length, size = len(head["categories"]), head["num_frames"], [head["height"], head["width"]]
    wanted = f"{number} numbers from 0 to 1, or -1"
    scores = reader.entries("class_scores", wanted, number, lambda n: is_finite(n) and -1 <= n <= _MOST)
    wanted = f"{length} texts of compressed runs or null"
    counts = reader.entries("masks", wanted, length, lambda c: c is None or isinstance(c, str))
    masks = [RLE(size=list(size), counts=empty["counts"] if text is None else text) for text in counts]
    try:
        check_rles(masks)
    except InvalidMaskError as error:
        reader.fail(f"the mask of frame {error.index} {error.reason}")
    confidence, given, on = None, [], reader.content.get("proposed_on")
    if reader.content.get("confidence") is not None:
        wanted = f"{length} numbers from 0 to 1"
        confidence = reader.entries("confidence", wanted, length, lambda n: is_finite(n) and 0 <= n <= 1)
    if "given" in reader.content:
        wanted = f"ascending numbers of frames below {length}"
        given = reader.entries("given", wanted, None, lambda n: type(n) is int and 0 <= n < length)
        reader.take("given", wanted, lambda v: given == sorted(set(v)))
    return InstanceSequence(
        track_id=reader.whole("track_id", 1, 2**31),
        label=reader.whole("label", 0, number - 1),
        score=float(reader.take("score", "a number from 0 to 1", lambda v: is_finite(v) and 0 <= v <= _MOST)),
        class_scores=np.array(scores, np.float32),
        masks=masks,
        confidence=None if confidence is None else np.array(confidence, np.float32),
        proposed_on=None if on is None else reader.whole("proposed_on", 0, length - 1),
        given=tuple(given),
        named="named" in reader.content and reader.take("named", "true or false", lambda v: isinstance(v, bool)),
    )
