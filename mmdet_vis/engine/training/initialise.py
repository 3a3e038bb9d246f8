"""Weights to start training from: any checkpoint, whatever fits of it."""

from __future__ import annotations

from pathlib import Path

from mmengine.logging import print_log
from torch import nn

from mmdet_vis.engine.checkpoint import read_state_dict
from mmdet_vis.errors import CheckpointError


def initialise(network: nn.Module, path: str | Path) -> None:
    """Copy the tensors of a checkpoint that have the name and shape of one of the network's; the rest stays.

    What was used and what stays as initialised is logged: starting from other categories leaves the last layers of the
    heads, starting from ImageNet weights leaves everything but the backbone.

    Raises:
        CheckpointError: the file cannot be read, or nothing of it fits.
    """
    state = read_state_dict(path)
    own = network.state_dict()
    used = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not used:
        raise CheckpointError(
            f"load_from {path}: none of its {len(state)} tensors has the name and shape of one of the model's; "
            "convert it first with tools/convert_checkpoint.py"
        )
    network.load_state_dict(used, strict=False)
    left = [k for k in own if k not in used and not k.endswith("num_batches_tracked")]
    reshaped = [k for k in left if k in state]
    print_log(
        f"load_from {path}: {len(used)} of {len(own)} tensors taken; {len(left)} stay as initialised"
        f"{_some(left)}; {len(reshaped)} of these have another shape there{_some(reshaped)}",
        logger="current",
    )


def _some(names: list[str], number: int = 4) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:number])}{', …' if len(names) > number else ''})"
