"""Which object a pixel belongs to where masks overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.structures.masks import RLE


def cover_map(rles: Sequence[RLE], height: int, width: int) -> NDArray[np.uint16]:
    """Index map of overlapping masks: the first mask that covers a pixel owns it.

    Args:
        rles: masks of size ``[height, width]``, the most confident first; fewer than 65,536.
        height: rows of the map.
        width: columns of the map.

    Returns:
        ``[height, width]`` uint16: 1 + index of the first mask with that pixel, 0 where there is none.

    Raises:
        ValueError: if a mask has another size, or there are too many masks.
    """
    if len(rles) > np.iinfo(np.uint16).max:
        raise ValueError(f"{len(rles)} masks are more than a 16-bit index map can number")
    for rle in rles:
        if list(rle["size"]) != [height, width]:
            raise ValueError(f"mask of size {list(rle['size'])} in a frame of size {[height, width]}")
    # pycocotools decodes column by column, so the map is built transposed and turned once at the end.
    owner = np.zeros((width, height), np.uint16)
    for index in reversed(range(len(rles))):
        if coco_mask.area(rles[index]):  # Decoding costs far more than counting, and most tracks come and go.
            owner[coco_mask.decode(rles[index]).T.view(bool)] = index + 1
    return np.ascontiguousarray(owner.T)
