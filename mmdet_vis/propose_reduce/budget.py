"""How much memory a video will take, asked before the work rather than found out after it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from mmdet_vis.errors import NotEnoughMemoryError, is_out_of_memory, one_line, option
from mmdet_vis.propose_reduce.feature_store import EngineSettings
from mmdet_vis.propose_reduce.memory import MemoryConfig
from mmdet_vis.propose_reduce.propose import Group

_LOGGER = logging.getLogger(__name__)


SHARE = 0.9
"""Part of the free memory that features and remembered frames may take."""


def check_memory(
    groups: Sequence[Group],
    memory: MemoryConfig,
    num_frames: int,
    frame_bytes: int,
    device: torch.device,
    reserved: int = 0,
) -> int | None:
    """Refuse a video whose memories cannot fit, and say which option makes them smaller.

    Args:
        groups: the proposed objects by key frame.
        memory: which frames are remembered.
        num_frames: T.
        frame_bytes: bytes of one remembered frame of one object.
        device: where they lie.
        reserved: bytes that the network itself will still take.

    Returns:
        bytes that are left for features, which can be computed again where they do not fit; None if nobody knows.

    Raises:
        NotEnoughMemoryError: there is not enough free memory; other videos may well fit.
    """
    free = free_bytes(device)
    if free is None:
        return None
    objects = sum(g.size for g in groups)

    def slots(group: Group, ahead: int) -> int:
        return group.size * (memory.start(ahead, num_frames).capacity + len(group.others))

    sweeps = [sum(slots(g, num_frames - 1 - g.key) for g in groups), sum(slots(g, g.key) for g in groups if g.key)]
    # The entries of key frames, and of others that are remembered all the time, are kept for the second sweep.
    entries = sum(g.size for g in {id(g): g for group in groups for g in (group, *group.others)}.values())
    remembered = (max(sweeps) + entries) * frame_bytes
    free = max(free - reserved, 0)
    left = int(SHARE * free) - remembered
    if left < 0:
        raise NotEnoughMemoryError(
            f"a video of {num_frames} frames with {objects} proposed objects needs {remembered / 2**30:.1f} GB to "
            f"remember its frames, {free / 2**30:.1f} GB are free: bound it with "
            f"{option('mem_max', 40)} or raise {option('mem_step')}"
        )
    return left


def free_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """Free memory of a device in bytes; None where the system does not say.

    On a GPU the blocks that PyTorch keeps for its next tensors are free. On the CPU it is what the system has left, or
    what the control group (a container's limit, version 1 or 2) leaves this process, if that is less; ``root`` is where
    the system's files lie.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return min([*_system_free(root), *_group_free(root)], default=None)


def _system_free(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _group_free(root: Path) -> Iterator[int]:
    """What each control group above this process has left; the limit of an outer one holds as well."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = top / path.lstrip("/")
        # A container may name a path that only its host can see; its own limits then lie at the top.
        for folder in (inner, *inner.parents):
            free = _left_in(folder, *names)
            if free is not None:
                yield free
            if folder == top:
                break


def _left_in(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    try:
        limit = int((folder / limit_name).read_text())
        used = int((folder / usage_name).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # not here, or "max": no limit
        return None
    # Pages of files that nobody used lately count as used, but are given up for anything else.
    return max(0, limit - used + int(statistics.get(cache_name, 0)))


_T = TypeVar("_T")

FACTOR = 4
"""By which features, decoder chunks and batches shrink from one try to the next."""

LEAST_FEATURES = 64 * 2**20
"""Bytes of features below which none are kept but those in use."""


def smaller(engine: EngineSettings) -> EngineSettings | None:
    """Settings with which the same work takes less memory and more time; None if these are the smallest.

    The last step keeps no features, decodes object by object and takes frame by frame through the backbone.
    """
    smallest = replace(engine, feature_bytes=0, chunk_bytes=1, batch_size=1)
    if engine == smallest:
        return None
    features = engine.feature_bytes // FACTOR
    if features < LEAST_FEATURES:
        return smallest
    return replace(
        engine,
        feature_bytes=features,
        chunk_bytes=max(engine.chunk_bytes // FACTOR, 1),
        batch_size=max(engine.batch_size // FACTOR, 1),
    )


def with_less_memory(work: Callable[[EngineSettings], _T], engine: EngineSettings, video: str, frames: int) -> _T:
    """Do the work on a video; if the memory runs out, again from the start with :func:`smaller` settings.

    Each new try is a warning, which names the ``video``. The result is the same but for rounding.

    Raises:
        NotEnoughMemoryError: the memory is not enough for the smallest pieces; other videos may well fit.
    """
    settings: EngineSettings | None = engine
    reason = ""
    while settings is not None:
        try:
            return work(settings)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = one_line(error, 200)
        # Here the error is gone, and with it what the frames of its traceback held.
        gc.collect()
        if engine.device.type == "cuda":
            torch.cuda.empty_cache()
        settings = smaller(settings)
        if settings is not None:
            _LOGGER.warning(
                "%s: not enough memory (%s): trying again with %.0f MB for features and smaller batches",
                video,
                reason,
                settings.feature_bytes / 2**20,
            )
    raise NotEnoughMemoryError(
        f"{video}: not enough memory for its {frames} frames, even in the smallest pieces ({reason}): "
        f"try {option('mem_max', 40)}, a smaller data_preprocessor.img_scale, or another {option('device')}"
    )
