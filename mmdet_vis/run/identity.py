"""What decides on the results of a run, so that a resumed run never mixes those of two models or settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmdet_vis.choices import in_order
from mmdet_vis.config.settings import recommended
from mmdet_vis.data.datasets.base import VideoDataset
from mmdet_vis.device import check_runtime, resolve_device, resolve_precision
from mmdet_vis.errors import CheckpointError
from mmdet_vis.version import __version__
from mmdet_vis.weights.graph_files import INDEX, is_graph_folder

DIFFERENCES_NAMED = 3
# Options that decide on how a run goes, not on what it finds; and what a person said, which is there if anything was.
NOT_IN_IDENTITY = ("feature_memory", "strict", "prompts", "propose", "refined", "corrections")
# Where the data lie does not change results; which videos they are is told by the dataset itself.
IGNORED_CONFIG_KEYS = ("test",)


def compute_settings(
    config: Config, device: str, precision: str | None, compile: bool, runtime: str = "torch"
) -> dict[str, Any]:
    """How the numbers come about, as far as that decides on their last digits.

    Args:
        config: says which precision None stands for.
        device, precision: as given; the answer has the kind of device and the number format that they stand for.
        compile: whether parts of the network are compiled.
        runtime: what computes the network.

    Returns:
        values of "device", "precision", "compile" and "threads", the last one null where a GPU does the products; and
        of "runtime" if that is not PyTorch.

    Raises:
        ConfigError: the device is not there, or cannot do that precision.
    """
    where = resolve_device(device)
    check_runtime(runtime, where)
    name = precision or recommended(config).precision_on(where.type)
    return ({} if runtime == "torch" else {"runtime": runtime}) | {
        "device": where.type,
        "precision": resolve_precision(name, where, runtime).name,
        "compile": compile,
        "threads": torch.get_num_threads() if where.type == "cpu" else None,
    }


def run_identity(config: Config, checkpoint: Path, dataset: VideoDataset, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the results of a run over a dataset depend on, as a JSON object.

    Args:
        config, checkpoint, options: see :func:`model_identity`.
        dataset: its videos (ids, names, sizes, names of frames) and category ids count, not its place.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    facts = {"category_ids": dataset.category_ids, "videos": len(dataset), "sha256": _digest_of_videos(dataset)}
    return {**model_identity(config, checkpoint, options), "dataset": json.loads(json.dumps(facts))}


def model_identity(config: Config, checkpoint: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What results depend on besides the videos, as a JSON object.

    Args:
        config: with the user's options applied.
        checkpoint: the weights; told apart by size and SHA-256, not by name. So is a file that ``proposer`` names.
        options: names and values of other settings.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    settings = {key: value for key, value in config.to_dict().items() if key not in IGNORED_CONFIG_KEYS}
    identity = {
        "version": __version__,
        "checkpoint": _digest_of_file(checkpoint),
        "options": dict(options),
        "config": settings,
    }
    section = config.get("proposer") or {}
    named = section.get("weights") or section.get("path")
    if named is not None and Path(named).is_file():
        identity["proposer"] = _digest_of_file(Path(named))
    # As it comes back from a file: tuples are lists there.
    plain: dict[str, Any] = json.loads(json.dumps(identity, default=_name))
    return plain


def is_identity(value: Any) -> bool:
    """Whether a value read from a file can be an identity, of this version or another."""
    return isinstance(value, dict) and {"version", "checkpoint", "options", "dataset", "config"} <= value.keys()


def formats_in_order(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity that an older version wrote, with its formats in order and not as they were typed."""
    options = identity.get("options")
    if not isinstance(options, dict) or not isinstance(options.get("formats"), list):
        return identity
    return {**identity, "options": {**options, "formats": list(in_order(map(str, options["formats"])))}}


def differences(before: Any, now: Any) -> str:
    """The first settings that differ, as text for an error message; empty if none does."""
    found = list(_differences(before, now, ""))
    more = f" and {len(found) - DIFFERENCES_NAMED} more" if len(found) > DIFFERENCES_NAMED else ""
    return ", ".join(found[:DIFFERENCES_NAMED]) + more


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


def _digest_of_file(checkpoint: Path) -> str:
    digest, size = hashlib.sha256(), 0
    if is_graph_folder(checkpoint):
        checkpoint = checkpoint / INDEX  # it has the digests of the others
    try:
        with open(checkpoint, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {checkpoint} does not exist: check the path") from None
    except OSError as error:
        raise CheckpointError(f"checkpoint {checkpoint} cannot be read: {error.strerror}") from error
    return f"{size} bytes, sha256 {digest.hexdigest()}"


def _digest_of_videos(dataset: VideoDataset) -> str:
    digest = hashlib.sha256()
    for video in dataset.videos:
        facts = (video.id, video.name, video.height, video.width, [frame.name for frame in video.frames])
        digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def _name(value: Any) -> str:
    """Classes and functions in a config, which JSON does not know."""
    return str(getattr(value, "__qualname__", value))
