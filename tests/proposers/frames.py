"""A few real frames, small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mmdet_vis.data.sources import open_source
from mmdet_vis.propose_reduce.proposer import Images, Place


def real_frames(repository: Path, number: int = 5, size: tuple[int, int] = (160, 90)) -> tuple[Images, list[Place]]:
    """Frames of a demo clip, ``[K, H, W, 3]`` uint8 RGB, and where they come from; ``size`` is (width, height)."""
    with open_source(repository / "demo" / "inputs" / "on_the_lawn.mp4") as source:
        indices = np.linspace(0, len(source) - 1, number).astype(int).tolist()
        frames = [cv2.resize(source.read(t, t + 1)[0], size, interpolation=cv2.INTER_AREA)[..., ::-1] for t in indices]
        places = [Place(source.name, t, source.frame_names[t]) for t in indices]
    return np.ascontiguousarray(np.stack(frames)), places
