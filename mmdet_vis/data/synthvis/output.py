"""The folder of a dataset: it appears complete or not at all.

Everything is written into ``<out>.partial``, which takes the name ``<out>`` in the end. A file lock, which
the system releases however a process ends, tells a run that is under way from one that was killed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import lock_descriptor

from mmdet_vis.data.synthvis.options import DatasetOptions
from mmdet_vis.errors import OutputError, option

MARKER = "synthvis.json"
_OURS = {"train", "val", MARKER}


def is_complete(out: Path, options: DatasetOptions) -> bool:
    """Whether ``out`` already is the complete dataset of these options."""
    return _read_marker(out) == options.as_json()


def check_free(out: Path, force: bool) -> None:
    """Refuse to write over anything but a SynthVIS dataset, and over that one without ``force``."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise OutputError(f"{out}: is not a folder; choose another output folder")
    names = {p.name for p in out.iterdir()}
    if not names:
        return
    if _read_marker(out) is None:
        raise OutputError(f"{out}: is not empty and holds no SynthVIS dataset; choose another output folder")
    if not force:
        raise OutputError(
            f"{out}: holds a SynthVIS dataset of other options; overwrite it with {option('force', True)} or choose "
            "another folder"
        )
    if names - _OURS:
        other = sorted(names - _OURS)[0]
        raise OutputError(f"{out}: also holds {other!r}, which is not part of the dataset; move it away first")


def _read_marker(out: Path) -> dict[str, Any] | None:
    """Options of the dataset in ``out``; None if there is none."""
    try:
        value = json.loads((out / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: Any) -> None:
    """Write compact JSON with a newline at the end; equal values give equal bytes."""
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")


@contextmanager
def building(out: Path, options: DatasetOptions) -> Iterator[Path]:
    """A fresh folder to build the dataset in, which becomes ``out`` if the block ends well.

    What ``out`` held before stays until then. Raises :class:`OutputError` if another process is making
    ``out``.
    """
    partial = out.with_name(out.name + ".partial")
    lock = out.with_name(out.name + ".lock")
    out.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as handle:  # leaves alone what a link of that name leads to
        if not _try_lock(handle, lock):
            raise OutputError(f"{out}: another process is making this dataset; wait for it")
        # Of an earlier run that was killed: the lock says that nobody is at work in it.
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir()
            yield partial
            write_json(partial / MARKER, options.as_json())
            _replace(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _try_lock(handle: IO[str], path: Path) -> bool:
    """Lock an open file; False if another process holds it (or held it and has removed it since)."""
    try:
        mine = lock_descriptor(handle.fileno(), blocking=False)
        return mine and os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _replace(partial: Path, out: Path) -> None:
    """Give ``partial`` the name ``out``; an older dataset there is moved aside first and then removed."""
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        os.rename(out, old)
    os.rename(partial, out)
    shutil.rmtree(old, ignore_errors=True)
