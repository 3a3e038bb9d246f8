"""Random inputs that the reference's results on small inputs were computed from, by the rules that made them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pyramid() -> list[Tensor]:
    """Four levels ``[1, 8, h, w]`` for RoIAlign."""
    rng = np.random.default_rng(7)
    sizes = ((96, 120), (48, 60), (24, 30), (12, 15))
    return [torch.from_numpy(rng.normal(size=(1, 8, *size)).astype(np.float32)) for size in sizes]


def propagation() -> dict[str, Tensor]:
    """P2 of two frames, C2 and C3 of the second, for the propagation head."""
    rng = np.random.default_rng(40)
    found = {"p2": rng.normal(size=(2, 256, 32, 40)) * 0.7}
    found["c2"] = np.abs(rng.normal(size=(1, 256, 32, 40)) * 0.6)
    found["c3"] = np.abs(rng.normal(size=(1, 512, 16, 20)) * 0.6)
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in found.items()}


def blocks(seed: int, height: int, width: int) -> np.ndarray:
    """A picture ``[height, width, 3]`` uint8 of blocks of 8 x 8 pixels of one colour."""
    size = (height // 8 + 1, width // 8 + 1, 3)
    coarse = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
