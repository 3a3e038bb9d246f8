"""How much memory a video will take, asked before the work rather than found out after it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmdet_vis.errors import SourceError
from mmdet_vis.propose_reduce.free_memory import free_bytes
from mmdet_vis.propose_reduce.propagate import MemoryConfig
from mmdet_vis.propose_reduce.propose import Group

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
        SourceError: there is not enough free memory; other videos may well fit.
    """
    free = free_bytes(device)
    if free is None:
        return None
    objects = sum(g.size for g in groups)
    sweeps = [
        sum(g.size * memory.start(num_frames - 1 - g.key, num_frames).capacity for g in groups),
        sum(g.size * memory.start(g.key, num_frames).capacity for g in groups if g.key),
    ]
    remembered = (max(sweeps) + objects) * frame_bytes  # each object's first entry is kept for the second sweep
    free = max(free - reserved, 0)
    left = int(SHARE * free) - remembered
    if left < 0:
        raise SourceError(
            f"a video of {num_frames} frames with {objects} proposed objects needs {remembered / 2**30:.1f} GB to "
            f"remember its frames, {free / 2**30:.1f} GB are free: bound it with --mem-max 40 or raise --mem-step"
        )
    return left
