"""Pictures of training samples with their targets, to see what the network is taught."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures.clip import FrameTargets, TrainingClip
from mmdet_vis.visualization.overlay import draw_overlay
from mmdet_vis.visualization.palette import track_colour

_GAP = 6
_CAPTION = 22
_SIDE = 420  # longer side of a drawn frame in pixels, at least
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_clips(clips: Sequence[TrainingClip], categories: Sequence[str]) -> NDArray[np.uint8]:
    """A contact sheet: one clip below the other, its frames side by side.

    Objects have the colour of their id, their box, and a tag with class (1 is ``categories[0]``) and id; regions that
    are ignored are hatched. There is at least one clip; the sheet is ``[H, W, 3]`` uint8, BGR.
    """
    rows = [_draw_clip(clip, categories) for clip in clips]
    width = max(row.shape[1] for row in rows)
    sheet = [
        cv2.copyMakeBorder(row, 0, _GAP, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for row in rows
    ]
    return np.concatenate(sheet).astype(np.uint8)


def _draw_clip(clip: TrainingClip, categories: Sequence[str]) -> NDArray[np.uint8]:
    frames = [
        _draw_frame(np.ascontiguousarray(image.numpy().transpose(1, 2, 0)), targets, categories)
        for image, targets in zip(clip.images, clip.frames, strict=True)
    ]
    gap = np.full((frames[0].shape[0], _GAP, 3), 255, np.uint8)
    row = np.concatenate([part for frame in frames for part in (frame, gap)], axis=1)
    caption = np.full((_CAPTION, row.shape[1], 3), 255, np.uint8)
    # The end of the path tells more than its beginning.
    text = clip.name[-(row.shape[1] // 8 - 18) :] + ("" if clip.exhaustive else " (not exhaustive)")
    cv2.putText(caption, text, (4, 15), _FONT, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([caption, row])


def _draw_frame(image: NDArray[np.uint8], targets: FrameTargets, categories: Sequence[str]) -> NDArray[np.uint8]:
    factor = max(1.0, _SIDE / max(image.shape[:2]))
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    canvas = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    boxes, labels, masks, ids, ignored = (tensor.numpy() for tensor in targets.tensors())
    large = [np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8) for mask in masks]
    texts = [f"{categories[label - 1].replace('_', ' ')} {number}" for label, number in zip(labels, ids, strict=True)]
    canvas = draw_overlay(canvas, large, texts, ids.tolist())
    for box, number, mask in zip(boxes, ids.tolist(), masks, strict=True):
        if mask.any():
            x1, y1, x2, y2 = _corners(box, factor)
            cv2.rectangle(canvas, (x1, y1), (x2, y2), track_colour(number), 1)
    for box in ignored:
        _hatch(canvas, _corners(box, factor))
    return canvas


def _corners(box: NDArray[np.float32], factor: float) -> tuple[int, int, int, int]:
    """An inclusive box on the picture, which is ``factor`` times as large."""
    x1, y1, x2, y2 = (int(value) for value in np.rint((box + np.array([0, 0, 1, 1], np.float32)) * factor))
    return x1, y1, x2 - 1, y2 - 1


def _hatch(canvas: NDArray[np.uint8], corners: tuple[int, int, int, int]) -> None:
    """Draw slanting lines in a box, in place."""
    x1, y1, x2, y2 = corners
    part = canvas[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1]
    height, width = part.shape[:2]
    for start in range(4, width + height, 8):
        cv2.line(part, (start, 0), (start - height, height), (255, 255, 255), 1)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), (255, 255, 255), 1)
