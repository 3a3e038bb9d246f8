"""How much memory the remembered frames of a video will take, asked before the work rather than found out after it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mmdet_vis.errors import SourceError
from mmdet_vis.propose_reduce.propagate import MemoryConfig
from mmdet_vis.propose_reduce.propose import Group

SHARE = 0.9
"""Part of the free memory that the remembered frames may take."""


def check_memory(
    groups: Sequence[Group], memory: MemoryConfig, num_frames: int, frame_bytes: int, device: torch.device
) -> None:
    """Refuse a video whose memories cannot fit, and say which option makes them smaller.

    Args:
        groups: the proposed objects by key frame.
        memory: which frames are remembered.
        num_frames: T.
        frame_bytes: bytes of one remembered frame of one object.
        device: where the memories lie.

    Raises:
        SourceError: there is not enough free memory; other videos may well fit.
    """
    free = free_bytes(device)
    if free is None:
        return
    sweeps = [
        sum(g.size * memory.start(num_frames - 1 - g.key, num_frames).capacity for g in groups),
        sum(g.size * memory.start(g.key, num_frames).capacity for g in groups if g.key),
    ]
    need = max(sweeps) * frame_bytes
    if need > SHARE * free:
        objects = sum(g.size for g in groups)
        raise SourceError(
            f"a video of {num_frames} frames with {objects} proposed objects needs {need / 2**30:.1f} GB to remember "
            f"its frames, {free / 2**30:.1f} GB are free: bound it with --mem-max 40 or raise --mem-step"
        )


def free_bytes(device: torch.device) -> int | None:
    """Free memory of a device in bytes; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    return values.get("MemAvailable")
