"""Prompts and corrections as JSON files, and prompts as words of a command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mmdet_vis.corrections.check import CorrectionError
from mmdet_vis.data.formats.json_files import read_json
from mmdet_vis.data.formats.number_pngs import read_colours
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.structures import Correction, Delete, Merge, NotVisible, Prompt, Rename, Split, Swap

KINDS: dict[str, type] = {
    "prompt": Prompt,
    "delete": Delete,
    "split": Split,
    "merge": Merge,
    "swap": Swap,
    "rename": Rename,
    "not_visible": NotVisible,
}
"""Corrections by their ``type`` in a file; the other keys are the arguments of these classes."""
MAX_BYTES = 2**30
SHORT = (
    "FRAME:box:X0,Y0,X1,Y1[:CATEGORY], FRAME:point:X,Y[,-X,Y ...][:CATEGORY] or FRAME:mask:FILE.png[:CATEGORY], with "
    "ID@ before FRAME for an object of this number"
)
_FORMS = ("box", "point", "mask")
_NUMBERS = ("frame", "id", "new_id", "a", "b", "first", "last")


def read_corrections(path: str | Path) -> list[Correction]:
    """Read a JSON file: a list of objects, each a correction.

    ``type`` is one of :data:`KINDS`, ``prompt`` unless it is given; the other keys are the arguments of its class. The
    ``mask`` of a prompt is an RLE, or the name of a PNG beside the file, of which everything that is not black is the
    object.

    Raises:
        ConfigError: the file is missing or damaged, or an entry cannot be used; the line names the file and the entry.
    """
    content = read_json(path, ConfigError, MAX_BYTES)
    if not isinstance(content, list):
        raise ConfigError(f"{path} must be a list [...] of corrections")
    found = []
    for number, entry in enumerate(content):
        try:
            found.append(correction_of(entry, Path(path).parent))
        except ConfigError as error:
            raise ConfigError(f"{path}: entry {number}: {error}") from None
    return found


def read_prompts(path: str | Path) -> list[Prompt]:
    """:func:`read_corrections` of a file that must hold prompts alone.

    Raises:
        ConfigError: as there; or something else is in it.
    """
    prompts = []
    for number, correction in enumerate(read_corrections(path)):
        if not isinstance(correction, Prompt):
            raise ConfigError(
                f"{path}: entry {number} is no prompt: corrections are for a result, "
                "give them to mmdet-vis refine as its --corrections"
            )
        prompts.append(correction)
    return prompts


def as_json(correction: Correction) -> dict[str, Any]:
    """A correction as an object of JSON."""
    kind = next(name for name, known in KINDS.items() if isinstance(correction, known))
    values = {f.name: getattr(correction, f.name) for f in fields(correction)}
    return {"type": kind} | {name: value for name, value in values.items() if value is not None}


def correction_of(entry: Any, folder: Path | None) -> Correction:
    """A correction from an object of JSON (see :func:`read_corrections`), of which nothing is trusted.

    Files that it names are in ``folder``; None: it may name none.

    Raises:
        ConfigError: it cannot be used.
    """
    if not isinstance(entry, Mapping):
        raise ConfigError(f"must be an object {{...}}, it is {entry!r:.40}")
    values = dict(entry)
    kind = values.pop("type", "prompt")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"type {kind!r:.40} is not known: use one of {', '.join(KINDS)}")
    arguments = {f.name: f.default is MISSING for f in fields(KINDS[kind])}
    unknown = [name for name in values if name not in arguments]
    if unknown:
        raise ConfigError(f"a {kind} has no {unknown[0]!r:.40}: it has {', '.join(arguments)}")
    missing = [name for name, needed in arguments.items() if needed and values.get(name) is None]
    if missing:
        raise ConfigError(f"a {kind} needs {missing[0]}")
    for name in _NUMBERS:
        if values.get(name) is not None and type(values[name]) is not int:
            raise ConfigError(f"{name}={values[name]!r:.40} must be a whole number")
    ids = values.get("ids", [1])
    if not isinstance(ids, list) or not all(type(number) is int for number in ids):
        raise ConfigError(f"ids={ids!r:.40} must be a list of whole numbers")
    if folder is not None and isinstance(values.get("mask"), str):
        values["mask"] = _mask_file(folder / values["mask"], " beside the file")
    elif "mask" in values and not isinstance(values["mask"], Mapping):
        named = "" if folder is None else " or the name of a PNG"
        raise ConfigError(f"mask={values['mask']!r:.40} must be an RLE {{size, counts}}{named}")
    correction: Correction = KINDS[kind](**values)
    return correction


def parse_prompt(text: str) -> list[Prompt]:
    """Prompts from a word of a command line: a JSON file, or one of the forms :data:`SHORT`.

    A negative point has a minus before its x: ``3:point:40,50,-80,52`` is on the object at (40, 50) and off it at
    (80, 52). ``2@3:point:40,50`` is of the object 2.

    Raises:
        ConfigError: it is neither; the line shows the forms.
    """
    place, _, rest = text.partition(":")
    number, at, frame = place.rpartition("@")
    kind, _, value = rest.partition(":")
    if not text.strip():
        raise ConfigError(f"a prompt is empty: write {SHORT}, or name a JSON file")
    if kind in _FORMS and not (frame.isdecimal() and len(frame) < 10):
        raise ConfigError(f"{text!r:.100}: FRAME is a whole number from 0: write {SHORT}")
    if kind in _FORMS and at and not (number.isdecimal() and len(number) < 10):
        raise ConfigError(f"{text!r:.100}: ID is a whole number from 1 to 999999999: write {SHORT}")
    if not _is_short(text):
        return read_prompts(text)
    if kind not in _FORMS:
        raise ConfigError(f"{text!r:.100}: write {SHORT}, or name a JSON file")
    # A path may have a colon, as on Windows.
    whole = ":" not in value or (kind == "mask" and os.path.isfile(value))
    head, _, category = (value, "", "") if whole else value.rpartition(":")
    try:
        arguments = _arguments(kind, head)
        return [Prompt(int(frame), category=category or None, id=int(number) if at else None, **arguments)]
    except ValueError:
        raise ConfigError(f"{text!r:.100}: write {SHORT}") from None
    except ConfigError as error:
        raise ConfigError(f"{text!r:.100}: {error}") from None


@contextmanager
def naming(given: Sequence[str]) -> Iterator[None]:
    """Around work with corrections or prompts of a command line: what does not fit is called as the user gave it.

    Args:
        given: what each of them is called, see :func:`read_given`.

    Raises:
        ConfigError: in the place of a :class:`~mmdet_vis.corrections.check.CorrectionError`.
    """
    try:
        yield
    except CorrectionError as error:
        raise ConfigError(f"{given[error.index]}: {error.reason}") from None


def read_given(path: Path | None, words: Iterable[str]) -> tuple[list[Correction], list[str]]:
    """The corrections of a file and the prompts of a command line, and what each of them is called.

    Raises:
        ConfigError: see :func:`read_corrections` and :func:`parse_prompt`.
    """
    corrections = [] if path is None else read_corrections(path)
    names = [f"{path}: entry {number}" for number in range(len(corrections))]
    for word in words:
        prompts = parse_prompt(word)
        corrections += prompts
        short = _is_short(word)
        names += [repr(word)[:100] if short else f"{word}: entry {number}" for number in range(len(prompts))]
    return corrections, names


def _is_short(text: str) -> bool:
    """Whether a word is one of the forms :data:`SHORT`, and no file."""
    place, colon, _ = text.partition(":")
    number, at, frame = place.rpartition("@")
    return bool(colon) and frame.isdecimal() and (number.isdecimal() or not at)


def _arguments(kind: str, text: str) -> dict[str, Any]:
    """Arguments of :class:`Prompt` from the last part of a form; ValueError: that cannot be read."""
    if kind == "mask":
        return {"mask": _mask_file(Path(text), "")}
    words = text.split(",")
    if kind == "box":
        return {"box": [float(word) for word in words]}
    points = [(abs(float(x)), float(y)) for x, y in zip(words[::2], words[1::2], strict=True)]
    return {"point": points, "labels": [0 if x.strip().startswith("-") else 1 for x in words[::2]]}


def _mask_file(path: Path, missing: str) -> Any:
    if not os.path.exists(path):  # Path.exists() fails for names too long
        raise ConfigError(f"mask {path.name if missing else path} does not exist{missing}: give a PNG")
    try:
        return read_colours(path) != 0
    except DatasetError as error:
        raise ConfigError(f"mask: {error}") from None
