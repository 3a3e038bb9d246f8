"""Region similarity J and contour accuracy F of the objects of one frame (Perazzi et al., CVPR 2016, section 5).

All objects of an index map are disjoint, so the intersections of all pairs come from one histogram, and each
boundary is found and dilated once, however many others it is compared with.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Boundaries match within this fraction of the image diagonal.
BOUNDARY_TOLERANCE = 0.008


def region_similarity(
    truth: NDArray[np.uint8], result: NDArray[np.uint8], num_truths: int, num_results: int
) -> NDArray[np.float64]:
    """J, the IoU of each pair of objects; two empty objects agree.

    Args:
        truth: ``[H, W]`` index map with values 0 (background) to ``num_truths``.
        result: ``[H, W]`` index map with values 0 to ``num_results``.

    Returns:
        ``[num_results, num_truths]`` float64 in [0, 1].
    """
    joint = np.bincount(
        (result.astype(np.int32) * (num_truths + 1) + truth).ravel(), minlength=(num_results + 1) * (num_truths + 1)
    ).reshape(num_results + 1, num_truths + 1)
    shared = joint[1:, 1:]
    union = joint.sum(axis=1)[1:, None] + joint.sum(axis=0)[None, 1:] - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


def contour_accuracy(
    truth: NDArray[np.uint8], result: NDArray[np.uint8], num_truths: int, num_results: int
) -> NDArray[np.float64]:
    """F, the harmonic mean of the precision and recall of the boundary pixels of each pair of objects.

    Arguments and result are those of :func:`region_similarity`.
    """
    radius = int(np.ceil(BOUNDARY_TOLERANCE * np.hypot(*truth.shape)))
    truth_pixels, truth_near = _boundaries(truth, num_truths, radius)
    result_pixels, result_near = _boundaries(result, num_results, radius)
    # found[t, r]: boundary pixels of truth t near the boundary of result r; right[r, t] the other way round.
    found = np.array([result_near[:, pixels].sum(axis=1) for pixels in truth_pixels])
    right = np.array([truth_near[:, pixels].sum(axis=1) for pixels in result_pixels])
    in_truth = np.array([len(pixels) for pixels in truth_pixels])[None]
    in_result = np.array([len(pixels) for pixels in result_pixels])[:, None]
    # Without boundary there is nothing to be wrong about (precision) or to be found (recall).
    precision = np.where(in_result > 0, right / np.maximum(in_result, 1), 1.0)
    recall = np.where(in_truth > 0, found.T / np.maximum(in_truth, 1), 1.0)
    total = precision + recall
    return np.where(total > 0, 2 * precision * recall / np.where(total > 0, total, 1.0), 0.0)


def _boundaries(
    labels: NDArray[np.uint8], number: int, radius: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.uint8]]:
    """Boundary pixels of objects 1 to ``number`` as positions in the flat map, and what is near: ``[number, H * W]``.

    A pixel is boundary if it differs from its right, lower or lower right neighbour (those outside repeat the edge).
    """
    height, width = labels.shape
    padded = cv2.copyMakeBorder(labels, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    near = np.zeros((number, height, width), np.uint8)
    pixels = [np.zeros(0, np.int64)] * number
    for index, place in enumerate(ndimage.find_objects(labels, number)):
        if place is None:
            continue
        top, left = max(place[0].start - 1, 0), max(place[1].start - 1, 0)
        mask = padded[top : place[0].stop + 1, left : place[1].stop + 1] == index + 1
        here = mask[:-1, :-1]
        boundary = (here ^ mask[:-1, 1:]) | (here ^ mask[1:, :-1]) | (here ^ mask[1:, 1:])
        rows, columns = np.nonzero(boundary)
        pixels[index] = (rows + top) * width + columns + left
        y0, x0 = max(top - radius, 0), max(left - radius, 0)
        grown = near[index, y0 : place[0].stop + radius, x0 : place[1].stop + radius]
        grown[rows + top - y0, columns + left - x0] = 1
        grown[:] = cv2.dilate(grown, _disk(radius))
    return pixels, near.reshape(number, -1)


@functools.cache
def _disk(radius: int) -> NDArray[np.uint8]:
    """All pixels within ``radius`` of the middle: ``[2 radius + 1, 2 radius + 1]`` uint8."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (y**2 + x**2 <= radius**2).astype(np.uint8)
