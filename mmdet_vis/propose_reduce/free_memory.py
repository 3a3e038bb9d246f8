"""How much memory a device still has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch


def free_bytes(device: torch.device, root: Path = Path("/")) -> int | None:
    """Free memory of a device in bytes; None where the system does not say.

    On a GPU the blocks that PyTorch keeps for its next tensors are free. On the CPU it is what the system has left, or
    what the control group (a container's limit, version 1 or 2) leaves this process, if that is less.

    Args:
        device: a CPU or a GPU.
        root: where the system's files lie.
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
