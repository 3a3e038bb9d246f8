"""What a run over files and folders has finished, video by video, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats import write_results
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir, remove_unfinished
from mmdet_vis.run.identity import differences

NAME = ".progress"
_SHARE = 0.05
"""Largest part of a run's time that goes into writing ``results.json`` anew before its end."""
_ENDINGS = {"png": "*.png", "overlay": "*.jpg"}


@dataclass(frozen=True)
class Input:
    """A video of the run.

    Attributes:
        path: a file or a folder of frames.
        name: what its results are called, unlike that of any other.
        places: its pictures, for each format that has any.
    """

    path: Path
    name: str
    places: Mapping[str, Path]


class InputsStore:
    """The folder ``SAVE/.progress``: a file for each finished video, with its entries of ``results.json``.

    Args:
        save_dir: where the results of the run go; used by one run at a time.
        inputs: all videos of the run, in the order of ``results.json``.
        json: whether there is a ``results.json``.
    """

    def __init__(self, save_dir: Path, inputs: Sequence[Input], json: bool) -> None:
        self._save_dir = save_dir
        self._inputs = inputs
        self._json = json
        self._folder = save_dir / NAME
        self._finished: set[str] = set()
        self._written = -float("inf")
        self._cost = 0.0

    def prepare(self, identity: Mapping[str, Any], resume: bool) -> None:
        """Find what an earlier run finished, or forget it; remove the files that it left unfinished.

        Args:
            identity: everything that the results depend on besides the videos, as a JSON object.
            resume: go on with an earlier run, if there was one.

        Raises:
            OutputError: the folder cannot be written, or to be resumed is a run with another identity.
        """
        ensure_writable_dir(self._folder)
        places = [place if kind in _ENDINGS else place.parent for i in self._inputs for kind, place in i.places.items()]
        remove_unfinished({self._save_dir, self._folder, *places})
        identity_file = self._folder / "run.json"
        if resume and identity_file.exists():
            changed = differences(_read(identity_file), identity)
            if changed:
                raise OutputError(
                    f"cannot resume: the results in {self._save_dir} are of another run, different in {changed}; use "
                    "another --save-dir, or leave --resume out to start anew"
                )
            self._finished = {i.name for i in self._inputs if self._is_finished(i)}
            return
        for path in sorted(self._folder.glob("*.json")):
            with suppress(FileNotFoundError):
                path.unlink()
        atomic_write(identity_file, json.dumps(identity, indent=1) + "\n")

    def is_finished(self, video: Input) -> bool:
        """Whether a video has its results, from this run or the one before."""
        return video.name in self._finished

    def finish(self, video: Input, frames: int, entries: Sequence[Mapping[str, Any]]) -> None:
        """Note that a video is done and its pictures are written, and update ``results.json`` if it is time.

        Args:
            video: of ``inputs``.
            frames: how many it has.
            entries: of ``results.json``; their ``video_id`` is filled in when that is written.

        Raises:
            OutputError: a file cannot be written.
        """
        kept = entries if self._json else ()
        content = {"input": fingerprint(video.path), "frames": frames, "entries": kept}
        atomic_write(self._file(video), json.dumps(content, allow_nan=False) + "\n")
        self._finished.add(video.name)
        # With every video the file grows: written each time, it would take most of a long run.
        if time.monotonic() - self._written > self._cost / _SHARE:
            self.write_results()

    def write_results(self) -> None:
        """Write ``results.json`` with all videos that are done, if the run has one.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._json:
            return
        start = time.monotonic()
        write_results(self._save_dir / "results.json", self._entries())
        self._written = time.monotonic()
        self._cost = self._written - start

    def _entries(self) -> Iterator[dict[str, Any]]:
        """All entries so far, one video in memory at a time."""
        for number, video in enumerate(self._inputs, start=1):
            if self.is_finished(video):
                for entry in _read(self._file(video))["entries"]:
                    yield {**entry, "video_id": number, "video_name": video.name}

    def _is_finished(self, video: Input) -> bool:
        done = _read(self._file(video))
        if done is None or done["input"] != fingerprint(video.path):
            return False
        for kind, place in video.places.items():
            if kind in _ENDINGS and len(list(place.glob(_ENDINGS[kind]))) != done["frames"]:
                return False
            if kind not in _ENDINGS and not place.is_file():
                return False
        return True

    def _file(self, video: Input) -> Path:
        # Not the name itself: one of the videos may be called "run".
        return self._folder / f"{hashlib.sha256(video.name.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def fingerprint(path: Path) -> str:
    """Changes when a file or a folder of frames is replaced; reading the contents of all would take too long."""
    files = list_images(path)[0] if path.is_dir() else [path]
    facts = []
    for file in files:
        with suppress(OSError):
            status = os.stat(file)
            facts.append((os.fsencode(file.name).hex(), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _read(path: Path) -> Any:
    """The contents of a JSON file; None if it is not there or, after a power cut, not whole."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
