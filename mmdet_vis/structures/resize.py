"""Masks from the padded network input back to the video's own size."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.structures.masks import RLE, decode_masks, empty_rle, encode_masks


def to_original(masks: NDArray[np.uint8], resized: tuple[int, int], original: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut off the padding and resize binary masks to the video's size.

    The resize is bilinear (half-pixel centres, no antialiasing) on the 0/1 mask and keeps what is above 0.5,
    with torch's kernel: another one rounds differently on pixels that lie exactly between two values.

    Args:
        masks: ``[N, H_pad, W_pad]`` uint8, non-zero is the object.
        resized: (height, width) of the network input before padding.
        original: (height, width) of the video.

    Returns:
        ``[N, H, W]`` uint8 with values 0 and 1, at the video's size.

    Raises:
        ValueError: if the masks are not ``[N, H_pad, W_pad]`` or smaller than ``resized``.
    """
    if masks.ndim != 3 or masks.shape[1] < resized[0] or masks.shape[2] < resized[1]:
        raise ValueError(f"masks {tuple(masks.shape)} must be [N, H_pad, W_pad], at least {tuple(resized)} large")
    cropped = (masks[:, : resized[0], : resized[1]] != 0).astype(np.uint8)
    if tuple(resized) == tuple(original):
        return cropped
    output = np.zeros((len(masks), *original), np.uint8)
    # One at a time: the float32 copy of a mask is four times as large as the mask.
    for index, mask in enumerate(cropped):
        scaled = F.interpolate(
            torch.from_numpy(mask).float()[None, None], size=original, mode="bilinear", align_corners=False
        )
        output[index] = (scaled[0, 0] > 0.5).numpy()
    return output


def rles_to_original(rles: list[RLE], resized: tuple[int, int], original: tuple[int, int]) -> list[RLE]:
    """:func:`to_original` for RLEs of the padded size, each a dict of its own; holds one decoded mask at a time."""
    empty = empty_rle(*original)
    output = []
    for rle in rles:
        if coco_mask.area(rle) == 0:
            output.append(RLE(size=list(empty["size"]), counts=empty["counts"]))
        else:
            output.append(encode_masks(to_original(decode_masks([rle]), resized, original))[0])
    return output


def to_resized(mask: NDArray[np.uint8], resized: tuple[int, int]) -> NDArray[np.uint8]:
    """A binary mask of the video's size at the size of the network's input, before padding.

    A pixel is the object's if at least half of what it covers is; of an object that is too small for that, every pixel
    that it touches, so that none is lost: ``[H, W]`` uint8, non-zero is the object, to ``[*resized]``, 0 and 1.
    """
    if mask.shape == tuple(resized):
        return (mask != 0).astype(np.uint8)
    share = cv2.resize((mask != 0).astype(np.float32), resized[::-1], interpolation=cv2.INTER_AREA)
    scaled = share >= 0.5
    return (scaled if scaled.any() else share > 0).astype(np.uint8)
