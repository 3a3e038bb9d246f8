"""Lists of videos: what a batch is to segment, as JSON lines, CSV or Parquet.

And lists made of the videos of a folder or of an address, with what their headers say of their length.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.batch.tables import read_parquet, write_parquet
from mmdet_vis.data.sources import display_name, is_name, natural_key
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES
from mmdet_vis.data.sources.naming import unlike
from mmdet_vis.data.sources.probe import Facts, probe, probe_stream
from mmdet_vis.data.sources.video_decode import VIDEO_SUFFIXES
from mmdet_vis.errors import MAX_MESSAGE, DatasetError, SourceError, one_line
from mmdet_vis.files.storage import file_system, is_address, local_path, open_storage
from mmdet_vis.progress import with_bar

_LOGGER = logging.getLogger(__name__)
_THREADS = 16
"""Headers that are read at once: most of the time is waiting."""
_UNUSABLE = re.compile(r"[^\w.+=,@ -]")
MANIFESTS = (".jsonl", ".csv", ".parquet")
"""Endings of lists, which say how they are written."""
MAX_ID = 200
"""Bytes of an id: files are called by it."""
MAX_FRAMES = 10**8
"""Frames of a video, at the most: more is a mistake, and would be cut into parts without end."""
_MOST = {"start": MAX_FRAMES, "stop": MAX_FRAMES, "frames": MAX_FRAMES, "bytes": 2**53}
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f]")


@dataclass(frozen=True)
class Entry:
    """A video of a list.

    Attributes:
        id: what its results are called; unlike that of any other.
        uri: path or address of the file, or of a folder of frames (an address of one ends with ``/``).
        start: the first of its frames that is segmented, 0-based.
        stop: the one after the last; None: to the end.
        frames: how many the whole video has, as far as that is known.
        seconds: its duration.
        bytes: size of its file, or of the files of its folder.
    """

    id: str
    uri: str
    start: int = 0
    stop: int | None = None
    frames: int | None = None
    seconds: float | None = None
    bytes: int | None = None

    @property
    def length(self) -> int | None:
        """How many frames are segmented, as far as that is known."""
        if self.stop is None:
            return None if self.frames is None else max(self.frames - self.start, 1)
        stop = self.stop if self.frames is None else min(self.stop, self.frames)
        return max(stop - self.start, 1)

    @property
    def load(self) -> int:
        """About how many frames, to do long ones first: told by the duration or the size if it has to be."""
        if (length := self.length) is not None:
            return length
        if self.seconds is not None:
            return max(round(self.seconds * 30), 1)
        return max((self.bytes or 0) // 20_000, 1)


def read_manifest(uri: str) -> list[Entry]:
    """Read a list of videos.

    Columns: ``uri``; and, where they are wanted, ``id`` (else the file's name without its ending), ``start`` and
    ``stop``; and ``frames``, ``seconds`` and ``bytes`` as ``mmdet-vis batch-list`` writes them. Others are left alone.
    A path that is not absolute begins at the list's folder.

    Args:
        uri: path or address of a file whose name ends with one of :data:`MANIFESTS`.

    Raises:
        DatasetError: it cannot be read, or a row cannot be used; one line that names the row.
    """
    name = uri.rpartition("/")[2] if is_address(uri) else Path(uri).name
    suffix = check_ending(name)
    parent = uri[: -len(name)] or "."
    try:
        with open_storage(parent).read_from(name) as path:
            rows = list(_rows(path, suffix))
    except FileNotFoundError:
        raise DatasetError(f"{uri}: no such file; make one with `mmdet-vis batch-list FOLDER`") from None
    except DatasetError as error:
        raise DatasetError(f"{uri}: {error}") from error
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        reason = "no UTF-8 text" if isinstance(error, UnicodeError) else one_line(error, 200)
        raise DatasetError(f"{uri}: cannot be read as {suffix[1:]} ({reason})") from error
    entries = [_entry(row, f"{uri}: row {number}", parent) for number, row in enumerate(rows, start=1)]
    if not entries:
        raise DatasetError(f"{uri}: holds no video")
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        # Also where a file system ignores case.
        first = seen.setdefault(entry.id.casefold(), number)
        if first != number:
            raise DatasetError(
                f"{uri}: rows {first} and {number} have the same id {entry.id!r}: results would overwrite each other; "
                "give each row an id of its own"
            )
    return entries


def check_ending(name: str) -> str:
    """How a list of that name is written. Raises :class:`DatasetError`: its ending is none of :data:`MANIFESTS`."""
    suffix = Path(name).suffix.lower()
    if suffix not in MANIFESTS:
        raise DatasetError(
            f"{name}: the name of a list of videos ends with one of {', '.join(MANIFESTS)}; "
            "`mmdet-vis batch-list FOLDER` makes one"
        )
    return suffix


def write_manifest(path: Path, entries: Iterable[Entry]) -> None:
    """Write a list of videos, in the form that the file's ending names.

    Raises:
        OutputError, DatasetError: it cannot be written, or has another ending.
    """
    suffix, rows = check_ending(path.name), [asdict(entry) for entry in entries]
    storage = open_storage(path.parent)
    if suffix == ".jsonl":
        lines = (json.dumps({key: value for key, value in row.items() if value is not None}) for row in rows)
        storage.write(path.name, "".join(f"{line}\n" for line in lines))
    elif suffix == ".csv":
        text = io.StringIO()
        table = csv.DictWriter(text, list(Entry.__dataclass_fields__), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        storage.write(path.name, text.getvalue())
    else:
        write_parquet(storage, path.name, rows, "manifest")


def _rows(path: Path, suffix: str) -> Iterator[Mapping[str, Any]]:
    if suffix == ".parquet":
        yield from read_parquet(path)
        return
    with open(path, encoding="utf-8-sig", newline="") as file:
        if suffix == ".csv":
            yield from _csv_rows(file)
            return
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                what = " ".join(line.split())
                raise DatasetError(
                    f"row {number} is no JSON object ({error.__class__.__name__}): {what:.80}"
                ) from error


def _csv_rows(file: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    table = csv.DictReader(file, strict=True)
    columns = table.fieldnames or []
    if columns and "uri" not in columns:
        names = ", ".join(map(repr, columns))
        raise DatasetError(f"has no column uri, but {names:.200}: name the columns in the first line, with commas")
    for number, row in enumerate(table, start=1):
        if None in row:
            raise DatasetError(f"row {number} has more values than there are columns: quote what has a comma in it")
        yield row


def _entry(row: Any, where: str, parent: str) -> Entry:
    if not isinstance(row, Mapping):
        raise DatasetError(f"{where} is not an object {{...}}: give one with uri")
    uri = row.get("uri")
    if not isinstance(uri, str) or not uri.strip() or "\0" in uri or not is_unicode(uri):
        raise DatasetError(f"{where} has no uri: give the path or address of a video, as Unicode text")
    given = row.get("id")
    if not isinstance(given, str | int | None) or isinstance(given, bool):
        raise DatasetError(f"{where} has the id {given!r:.60}: give text, or a whole number")
    if given in (None, ""):
        given = uri.rstrip("/").replace("\\", "/").rpartition("/")[2]
        given = (given if uri.endswith("/") else Path(given).stem).strip()
    name = str(given)
    usable = (
        is_name(name)
        and is_unicode(name)
        and not _FORBIDDEN.search(name)
        and not name.startswith(".")
        and name == name.strip()
    )
    if not usable or len(name.encode()) > MAX_ID:
        raise DatasetError(
            f"{where} has the id {name!r:.60}: files are called by it, so it may have no / and no \\, not begin with a "
            f"dot, not begin or end with a space, and take at most {MAX_ID} bytes"
        )
    numbers = {key: _number(row.get(key), f"{where}: {key}", int, most) for key, most in _MOST.items()}
    numbers["start"] = numbers["start"] or 0
    start, stop = numbers["start"], numbers["stop"]
    if stop is not None and stop <= start:
        raise DatasetError(f"{where} has start {start} and stop {stop}: stop is the frame after the last one")
    seconds = _number(row.get("seconds"), f"{where}: seconds", float, 2**53)
    if not is_address(uri) and not uri.startswith("file://") and not Path(uri).is_absolute():
        uri = f"{parent}{uri}" if is_address(parent) else os.path.abspath(Path(parent, uri))
    return Entry(name, uri, seconds=seconds, **numbers)


def is_unicode(text: str) -> bool:
    """Whether a text can be written; JSON may hold halves of characters that cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _number(value: Any, where: str, kind: type, most: int) -> Any:
    """A number that is not negative; None for nothing, as CSV and Parquet write it."""
    if value is None or value == "" or value != value:
        return None
    try:
        number = kind(value)
        if not 0 <= number <= most or (kind is int and number != float(value)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise DatasetError(
            f"{where} is {value!r:.40}: give a number of at least 0 and at most {most:,}, or nothing"
        ) from None
    return number


def list_videos(place: str) -> list[Entry]:
    """All videos below a path or an address, in natural order: video files, and folders that hold images.

    A file whose header cannot be read is in the list without a length, with a warning: that it is damaged shows in the
    report of a batch. Hidden files are left out.

    Raises:
        SourceError, ConfigError: there is no video, or nothing at all; or the address cannot be used.
    """
    if not place:
        raise SourceError("no place is given: name a folder with videos, or an address")
    remote = is_address(place)
    found = list(_remote(place) if remote else _local(local_path(place)))
    if not found:
        raise SourceError(f"{place}: holds no video; give a folder with videos or folders of images")
    found.sort(key=lambda video: natural_key(video[0]))
    # A folder of frames beside nothing else is the place itself.
    names = _ids([name for name, _, _ in found])
    with ThreadPoolExecutor(_THREADS) as threads:
        facts = threads.map(lambda video: _facts(video[1], video[2]), found)
        return [
            Entry(name, uri, frames=known.frames or None, seconds=known.seconds, bytes=known.bytes)
            for name, (_, uri, _), known in with_bar(
                zip(names, found, facts, strict=True), "reading headers", len(found)
            )
        ]


def _facts(uri: str, known: Any) -> Facts:
    try:
        if isinstance(known, Facts):  # Images of an address: their number and size are all there is.
            return known
        if known is None:
            path = local_path(uri)
            if path.exists() and not (path.is_file() or path.is_dir()):  # Reading a pipe would wait for ever.
                raise SourceError(f"{uri}: is neither a file nor a folder")
            return probe(path)
        system, path, size = known
        with system.open(path, "rb") as file:
            return probe_stream(uri, file, size)
    except SourceError as error:
        _LOGGER.warning("%s", one_line(error, MAX_MESSAGE))
    except OSError as error:
        _LOGGER.warning("%s: %s", uri, error.strerror or one_line(error))
    return Facts(0, None, 0)


def _local(root: Path) -> Iterator[tuple[str, str, None]]:
    if not root.is_dir():
        what = "is a file" if root.exists() else "no such folder"
        raise SourceError(f"{root}: {what}; give a folder with videos, or an address")
    top = root.resolve()
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = [name for name in files if not name.startswith(".") and _is_text(os.path.join(folder, name))]
        below = Path(folder).relative_to(top)
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in shown) and _is_text(folder):
            yield (str(below) if below.parts else top.name), folder, None
        for name in shown:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield str(below / name), os.path.join(folder, name), None


def _is_text(path: str) -> bool:
    """Whether a path can be written in a list; says so if it cannot."""
    if not is_unicode(path):
        _LOGGER.warning("%s is left out: its name is no UTF-8 text; rename it", display_name(path))
    return is_unicode(path)


def _remote(place: str) -> Iterator[tuple[str, str, Any]]:
    system, root = file_system(place)
    try:
        files = system.find(root, detail=True)
    except Exception as error:  # Each store has errors of its own.
        what = f"cannot be listed ({one_line(error, 200)}); check the address and the permissions"
        raise SourceError(f"{place}: {what}") from error
    if not files and not system.exists(root):
        raise SourceError(f"{place}: there is nothing, or nobody answers; check the address")
    scheme = place.partition("://")[0]
    images: dict[str, list[int]] = defaultdict(list)
    for path, entry in files.items():
        below = str(path)[len(root) :].lstrip("/")
        if not below or any(part.startswith(".") for part in below.split("/")):
            continue
        suffix, size = Path(below).suffix.lower(), int(entry.get("size") or 0)
        if suffix in IMAGE_SUFFIXES:
            images[below.rpartition("/")[0]].append(size)
        elif suffix in VIDEO_SUFFIXES:
            yield below, f"{place.rstrip('/')}/{below}", (system, path, size)
    for folder, sizes in images.items():
        uri = f"{place.rstrip('/')}/{folder}/" if folder else f"{place.rstrip('/')}/"
        yield folder or root.rpartition("/")[2] or scheme, uri, Facts(len(sizes), None, sum(sizes))


def _ids(names: Sequence[str]) -> list[str]:
    """An id for each file: its path below the place without its ending, so that it says where the video is."""
    taken: set[str] = set()
    ids = []
    for name in names:
        stem = str(Path(name).with_suffix("")) if Path(name).suffix.lower() in VIDEO_SUFFIXES else name
        plain = (
            _UNUSABLE.sub("_", display_name(stem).replace(os.sep, "/").replace("/", "--")).lstrip(". ").rstrip()
            or "video"
        )
        while len(plain.encode()) > MAX_ID - 20 or plain.endswith(" "):
            plain = plain[:-1]
        if len(plain) < len(stem) - 20:
            plain = f"{plain}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
        ids.append(unlike(taken, plain))
    return ids
