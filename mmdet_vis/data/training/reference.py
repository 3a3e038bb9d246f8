"""Which frame of a video goes with a training frame (the published rules)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reference_frames(visible: NDArray[np.bool_], labels: NDArray[np.int64], current: int) -> NDArray[np.int64]:
    """Frames that may be the reference of a frame, itself excluded, in ascending order.

    A reference must not lack an object of a class that it shows while the current frame has it; else the
    propagation would be taught to leave an object that looks like a remembered one alone. So every class of the
    current frame that occurs in the reference must be there with all its objects of the current frame, and at least
    one class must occur.

    Args:
        visible: ``[K, T]`` whether each object is visible in each frame.
        labels: ``[K]`` classes of the objects.
        current: number of the current frame.
    """
    now = visible[:, current]
    shares = np.zeros(visible.shape[1], bool)
    lacks = np.zeros(visible.shape[1], bool)
    for label in np.unique(labels[now]):
        of_class = labels == label
        occurs = visible[of_class].any(axis=0)
        complete = visible[of_class & now].all(axis=0)
        shares |= occurs & complete
        lacks |= occurs & ~complete
    allowed = shares & ~lacks
    allowed[current] = False
    return np.flatnonzero(allowed)


def choose_frames(
    visible: NDArray[np.bool_],
    labels: NDArray[np.int64],
    current: int,
    num_frames: int,
    max_gap: int | None,
    rng: np.random.Generator,
) -> list[int]:
    """Frames of a clip, the reference first and the current one last.

    The reference is uniformly one of :func:`reference_frames`, or the current frame itself if there is none. The
    frames between are drawn from those between the two in the video, in their order; where these are too few, frames
    are repeated. References that are far enough away for that not to happen are preferred.

    Args:
        visible: ``[K, T]`` bool.
        labels: ``[K]``.
        current: number of the current frame.
        num_frames: frames of the clip, at least 2.
        max_gap: how far the reference may be from the current frame; None for any distance.
        rng: source of the choices.
    """
    candidates = reference_frames(visible, labels, current)
    distances = np.abs(candidates - current)
    if max_gap is not None:
        candidates, distances = candidates[distances <= max_gap], distances[distances <= max_gap]
    if (distances >= num_frames - 1).any():
        candidates = candidates[distances >= num_frames - 1]
    reference = int(candidates[rng.integers(len(candidates))]) if len(candidates) else current
    low, high = min(reference, current), max(reference, current)
    inner = num_frames - 2
    if high - low - 1 >= inner:
        between = np.sort(rng.choice(np.arange(low + 1, high), inner, replace=False)) if inner else np.zeros(0, int)
    else:
        between = np.sort(rng.integers(low, high + 1, inner))
    ordered = between if reference <= current else between[::-1]
    return [reference, *ordered.tolist(), current]
