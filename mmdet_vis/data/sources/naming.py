"""Names of frames and videos: natural order, uniqueness, and text that can be printed and stored."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_DIGITS = re.compile(r"([0-9]+)")
_WINDOWS = os.name == "nt"
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])(?=\.|$)", re.IGNORECASE)


def natural_key(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Return a sort key under which numbers inside names count as numbers: frame2 < frame10.

    Case does not matter, and leading zeros do not, except to tell otherwise equal names apart.
    """
    # The split puts text at even and digits at odd places, so that keys never compare a number with text.
    # Names of annotations may have thousands of digits, of which Python makes no number: the longer one is larger.
    parts = _DIGITS.split(name.casefold())
    numbers = [part.lstrip("0") for part in parts]
    return [(len(numbers[n]), numbers[n]) if n % 2 else part for n, part in enumerate(parts)], name


def last_number(name: str) -> int | None:
    """The last number in a name, of at most 15 digits; None if there is none."""
    match = _LAST_NUMBER.search(name)
    return int(match[1]) if match else None


_LAST_NUMBER = re.compile(r"(\d{1,15})\D*$")
_DEBRIS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def is_debris(name: str) -> bool:
    """Whether an entry of a folder or archive is hidden, or put there by a system for itself."""
    return name.startswith(".") or name.casefold() in _DEBRIS


def display_name(name: str) -> str:
    """Return a file name as text that every output takes: bytes that are not UTF-8 are replaced.

    On Windows it is also one that a file there can have, see :func:`windows_name`: names may come from annotations.
    """
    text = os.fsencode(name).decode("utf-8", "replace")
    return windows_name(text) if _WINDOWS else text


def windows_name(name: str) -> str:
    """The nearest name that a file on Windows can have: no ``:`` or ``?``, no device, no dot or space at its end."""
    plain = _NOT_ON_WINDOWS.sub("_", name)
    kept = plain.rstrip(". ")
    plain = kept + "_" * (len(plain) - len(kept))
    return f"_{plain}" if _DEVICES.match(plain) else plain


def is_name(value: object) -> bool:
    """Whether a value can name a file: JSON may hold zero bytes and halves of surrogate pairs."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def is_inside(name: object) -> bool:
    """Whether a value of an annotation file names a file below the folder that it is relative to."""
    if not isinstance(name, str) or not is_name(name):
        return False
    path = Path(name)
    return not path.is_absolute() and not path.drive and ".." not in path.parts and path.parts != ()


def unique_names(paths: Iterable[str | Path]) -> list[str]:
    """Return one name per path, no two the same, not even on a file system that ignores case.

    A folder is called by its name, a file by its name without the ending. Where two would share a name, files
    get their ending appended (``a`` and ``a.mp4`` become ``a`` and ``a_mp4``), and what is still double gets
    a number.
    """
    files = [Path(path) for path in paths]
    stems = [display_name(_stem(path)) for path in files]
    clashes = Counter(stem.casefold() for stem in stems)
    wanted = []
    for path, stem in zip(files, stems, strict=True):
        ending = display_name(path.suffix[1:])
        clash = clashes[stem.casefold()] > 1 and ending and not os.path.isdir(path)
        wanted.append(f"{stem}_{ending}" if clash else stem)
    taken: set[str] = set()
    return [unlike(taken, name) for name in wanted]


def unlike(taken: set[str], name: str) -> str:
    """A name with a number behind it if one that differs in case at most is taken; from then on it is taken, too."""
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate.casefold())
    return candidate


def _stem(path: Path) -> str:
    """Name of a folder (also where it is given as ``.``), or of a file without its ending."""
    if path.name in ("", ".."):
        path = Path(os.path.abspath(path))
    return (path.name if os.path.isdir(path) else path.stem) or "root"  # Path.is_dir() fails for names too long
