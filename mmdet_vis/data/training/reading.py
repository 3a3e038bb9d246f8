"""Reading an image of a training sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.data.training.errors import BrokenSampleError
from mmdet_vis.errors import SourceError


def read_image(file: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode an image: ``[h, w, 3]`` uint8, BGR.

    Args:
        file: the image.
        size: (height, width) that the annotations say.

    Raises:
        BrokenSampleError: it is missing, broken, or of another size.
    """
    try:
        image = ImageFilesSource([file], file.name).read(0, 1)[0]
    except SourceError as error:
        raise BrokenSampleError(str(file), str(error).removeprefix(f"{file}: ")) from error
    if image.shape[:2] != size:
        height, width = image.shape[:2]
        raise BrokenSampleError(str(file), f"is {width}x{height}, the annotations say {size[1]}x{size[0]}")
    return image
