"""Soft masks at a quarter of the image, enlarged on the CPU in the order of run-length codes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def enlarged(soft: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Thresholded masks at four times the size: ``[N, w, h]`` in [0, 1] to ``[N, 4 * w, 4 * h]`` uint8, 0 or 1."""
    number, width, height = soft.shape
    out = np.zeros((number, 4 * width, 4 * height), bool)
    for small, large in zip(soft, out, strict=True):
        top, left, rows, columns = cv2.boundingRect((small >= threshold).astype(np.uint8))
        if rows:
            # What is interpolated beyond the next position is lower.
            x, y = slice(max(left - 2, 0), left + columns + 2), slice(max(top - 2, 0), top + rows + 2)
            part = small[x, y]
            grown = cv2.resize(part, (4 * part.shape[1], 4 * part.shape[0]), interpolation=cv2.INTER_LINEAR)
            x4, y4 = (slice(4 * s.start, min(4 * s.stop, 4 * most)) for s, most in ((x, width), (y, height)))
            np.greater_equal(grown, threshold, out=large[x4, y4])
    return out.view(np.uint8)


def packed_boxes(packed: NDArray[np.uint8], margin: int = 1) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """:func:`~mmdet_vis.structures.boxes.mask_boxes` of masks ``[N, W, H]`` in the order of run-length codes."""
    boxes = np.zeros((len(packed), 4), np.float32)
    visible = np.zeros(len(packed), bool)
    _, width, height = packed.shape
    for index, mask in enumerate(packed):
        y, x, rows, columns = cv2.boundingRect(mask)
        if rows:
            visible[index] = True
            boxes[index] = (
                max(x - margin, 0), max(y - margin, 0),
                min(x + columns - 1 + margin, width - 1), min(y + rows - 1 + margin, height - 1),
            )  # fmt: skip
    return boxes, visible
