"""What is left of objects after warps and pastes."""

from __future__ import annotations

import numpy as np

from mmdet_vis.data.training.raw import RawClip, mask_boxes


def drop_remains(clip: RawClip, min_pixels: int) -> None:
    """Forget what nobody can recognise, in place.

    Where fewer than ``min_pixels`` of an object are left, its mask becomes empty and its region is ignored. Objects
    that are nowhere to be seen are removed from the clip.
    """
    areas = [frame.masks.sum(axis=(1, 2), dtype=np.int64) for frame in clip.frames]
    seen = np.concatenate([frame.ids[area >= min_pixels] for frame, area in zip(clip.frames, areas, strict=True)])
    for frame, area in zip(clip.frames, areas, strict=True):
        remains = (area > 0) & (area < min_pixels)
        frame.ignored = np.concatenate([frame.ignored, mask_boxes(frame.masks[remains])])
        gone = area < min_pixels
        if gone.any():
            frame.masks = frame.masks * ~gone[:, None, None]
            frame.boxes = frame.boxes * ~gone[:, None]
            kept = np.isin(frame.ids, seen)
            frame.boxes, frame.labels = frame.boxes[kept], frame.labels[kept]
            frame.masks, frame.ids = frame.masks[kept], frame.ids[kept]


def has_common_object(clip: RawClip) -> bool:
    """Whether an object can be seen both in the first and in the last frame."""
    first, last = clip.frames[0], clip.frames[-1]
    return bool(np.intersect1d(first.ids[first.visible()], last.ids[last.visible()]).size)
