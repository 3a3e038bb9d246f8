"""What decides on the results of a run, so that a resumed run never mixes those of two models or settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.checks import in_order
from mmdet_vis.data.datasets.base import VideoDataset
from mmdet_vis.errors import CheckpointError, OutputError, few, option
from mmdet_vis.files.storage import Storage
from mmdet_vis.version import __version__
from mmdet_vis.weights.find import sha256_of
from mmdet_vis.weights.graph_files import INDEX

IDENTITY = "run.json"
"""The file of a run that holds its identity."""
DIFFERENCES_NAMED = 3
# Where the data lie does not change results; which videos they are is told by the dataset itself.
IGNORED_CONFIG_KEYS = ("test",)
UNREADABLE = (OSError, ValueError, RecursionError)
"""What reading JSON raises; the last one for lists in lists in lists."""


def identity_of(
    config: Config, checkpoint: Path, options: Mapping[str, Any], dataset: VideoDataset | None = None
) -> dict[str, Any]:
    """Everything that the results of a run depend on, as a JSON object.

    Weights, also those that ``proposer`` names, are told apart by size and SHA-256, a dataset by its videos (ids,
    names, sizes, names of frames) and category ids, neither by its place; ``options`` are other settings by name.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    settings = {key: value for key, value in config.to_dict().items() if key not in IGNORED_CONFIG_KEYS}
    identity = {"version": __version__, "checkpoint": _digest_of(checkpoint), "options": options, "config": settings}
    section = config.get("proposer") or {}
    named = section.get("weights") or section.get("path")
    if named is not None and Path(named).is_file():
        identity["proposer"] = _digest_of(Path(named))
    if dataset is not None:
        digest = hashlib.sha256()
        for video in dataset.videos:
            facts = (video.id, video.name, video.height, video.width, [frame.name for frame in video.frames])
            digest.update(json.dumps(facts).encode())
        videos = {"videos": len(dataset), "sha256": digest.hexdigest()}
        identity["dataset"] = {"category_ids": dataset.category_ids, **videos}
    return as_read(identity)


def as_read(value: dict[str, Any], skipkeys: bool = False) -> dict[str, Any]:
    """An object as it comes back from a JSON file: tuples are lists there, classes and functions their names."""
    text = json.dumps(value, default=lambda part: str(getattr(part, "__qualname__", part)), skipkeys=skipkeys)
    plain: dict[str, Any] = json.loads(text)
    return plain


def earlier_run(
    storage: Storage, done: Callable[[], int], other: str | None, resume: bool, overwrite: bool | None, of: str
) -> dict[str, Any] | None:
    """The identity of the run whose results are in a folder; None to begin. Changes nothing.

    Args:
        storage, done: the folder, and how many videos the run there has finished.
        other: the name of something that runs write and that is there.
        resume, overwrite: go on with an earlier run, or begin whatever there is of one; None: it cannot be begun anew.
        of: what a run is over, a key of its identity: ``dataset`` or ``batch``.

    Raises:
        OutputError: what is there is of no such run, or nobody said what is to become of it.
    """
    kind, argument = ("batch", "out") if of == "batch" else ("run", "save_dir")
    use = f"use another {option(argument)}"
    place = storage.place(IDENTITY)
    try:
        before = json.loads(storage.read(IDENTITY))
    except FileNotFoundError:
        if other is None:
            return None
        what = f"{other} without the {IDENTITY} of a {kind}"
        raise OutputError(f"{storage.uri} holds something else: {what}; {use}, or move it away") from None
    except UNREADABLE as error:
        what = f"something else, or a damaged {kind}: {place} cannot be read ({error})"
        raise OutputError(f"{storage.uri} holds {what}; {use}, or remove this one") from error
    if not isinstance(before, dict) or not {"version", "checkpoint", "options", of, "config"} <= before.keys():
        raise OutputError(f"{storage.uri} holds something else: {place} is not of a {kind} of this tool; {use}")
    if not resume and not overwrite:
        anew = "" if overwrite is None else f", {option('overwrite', True)} starts anew"
        ways = f"{option('resume', True)} goes on with it{anew}"
        raise OutputError(f"{storage.uri} holds a {kind} with {done()} finished videos: {ways}; or {use}")
    return None if overwrite else before


def check_same(before: dict[str, Any], now: Mapping[str, Any], of_another: str, way_out: str) -> None:
    """Check that an earlier run is of the same identity as this one, whichever version wrote it.

    Raises:
        OutputError: it is not; says that it is ``of_another``, the first differences, and the ``way_out``.
    """
    options = before.get("options")
    if isinstance(options, dict) and isinstance(options.get("formats"), list):  # once kept as they were typed
        before = {**before, "options": {**options, "formats": list(in_order(map(str, options["formats"])))}}
    if changed := differences(before, now):
        raise OutputError(f"cannot resume: {of_another}, different in {changed}; {way_out}")


def differences(before: Any, now: Any) -> str:
    """The first settings that differ, as text for an error message; empty if none does."""
    return few(list(_differences(before, now, "")), DIFFERENCES_NAMED)


def _differences(before: Any, now: Any, where: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from _differences(before.get(key), now.get(key), f"{where}.{key}" if where else str(key))
    elif before != now:
        yield f"{where} ({_short(before)} before, {_short(now)} now)"


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "..."
    return text if len(text) <= 50 else f"{text[:46]}..."


def _digest_of(checkpoint: Path) -> str:
    """Size and SHA-256 of a file of weights; of a folder of graphs, of its index, which has those of the others."""
    if checkpoint.is_dir():
        checkpoint = checkpoint / INDEX
    try:
        return f"{checkpoint.stat().st_size} bytes, sha256 {sha256_of(checkpoint)}"
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {checkpoint} does not exist: check the path") from None
    except OSError as error:
        raise CheckpointError(f"checkpoint {checkpoint} cannot be read: {error.strerror}") from error
