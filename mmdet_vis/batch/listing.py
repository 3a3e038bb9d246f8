"""Make a list of the videos of a folder or of an address, with what their headers say of their length."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmdet_vis.batch.manifest import MAX_ID, Entry, is_unicode
from mmdet_vis.data.sources import display_name, natural_key
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES
from mmdet_vis.data.sources.naming import unlike
from mmdet_vis.data.sources.probe import Facts, probe, probe_stream
from mmdet_vis.data.sources.video_decode import VIDEO_SUFFIXES
from mmdet_vis.errors import MAX_MESSAGE, SourceError, one_line
from mmdet_vis.files.storage import file_system, is_address, local_path
from mmdet_vis.progress import with_bar

_LOGGER = logging.getLogger(__name__)
_THREADS = 16
"""Headers that are read at once: most of the time is waiting."""
_UNUSABLE = re.compile(r"[^\w.+=,@ -]")


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
