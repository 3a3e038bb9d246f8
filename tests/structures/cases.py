"""Results to look at: random masks as sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks

CATEGORIES = ("person", "dog", "bird")


def random_masks(number: int = 3, frames: int = 4, height: int = 9, width: int = 14, seed: int = 0) -> np.ndarray:
    """``[N, T, H, W]`` bool; object 1 is hidden on frame 2, the last object on all but frame 0."""
    masks = np.random.default_rng(seed).random((number, frames, height, width)) > 0.7
    masks[1, 2] = False
    masks[-1, 1:] = False
    return masks


def make_result(masks: np.ndarray, kind: type[VideoResult] = VideoResult, **fields: Any) -> Any:
    """A result whose N objects have scores 0.9, 0.7, 0.5, … and the categories in turn."""
    sequences = []
    for n, own in enumerate(masks):
        scores = np.full(len(CATEGORIES), -1, np.float32)
        scores[n % len(CATEGORIES)] = 0.9 - 0.2 * n
        best = float(scores[n % len(CATEGORIES)])
        sequences.append(InstanceSequence(n + 1, n % len(CATEGORIES), best, scores, encode_masks(own)))
    _, frames, height, width = masks.shape
    names = [f"{5 * t:05d}" for t in range(frames)]
    values = {"name": "clip", "frame_names": names, "fps": 8.0} | fields
    return kind(
        height=height,
        width=width,
        num_frames=frames,
        sequences=sequences,
        categories=CATEGORIES,
        category_ids=(1, 2, 3),
        **values,
    )
