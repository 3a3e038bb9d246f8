"""From decoded frames to the network's input: keep-ratio resize, normalise, pad.

The steps and their order are those of the published code, to the bit: the resize works on uint8 pixels before
the normalisation, and the padding is zero *after* it (so a padded pixel has the mean colour).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

# Colour statistics of ImageNet, in RGB order: what the pretrained backbones were trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class FrameGeometry:
    """Sizes of a frame on its way into the network; all sizes are (height, width) in pixels.

    Attributes:
        original: size of the decoded frame; results are given at this size.
        resized: size after the keep-ratio resize; boxes are clipped to it.
        padded: ``resized`` rounded up to multiples of the size divisor; the size of the network's input.
        scale: factor from ``original`` to ``resized`` before rounding, one number for both axes.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]
    scale: float

    @classmethod
    def of(cls, height: int, width: int, img_scale: tuple[int, int] = (640, 360), divisor: int = 32) -> FrameGeometry:
        """Return the geometry of a ``height`` x ``width`` frame.

        The frame is scaled, up or down, to the largest size whose longer side is at most the longer and whose
        shorter side is at most the shorter number of ``img_scale``, so that a portrait video gets a portrait
        box. A side never becomes less than one pixel, however thin the frame.

        Raises:
            ValueError: a size that is not positive.
        """
        if min(height, width, divisor, *img_scale) <= 0:
            raise ValueError(f"sizes must be positive, got {height}x{width}, img_scale {img_scale}, divisor {divisor}")
        scale = min(max(img_scale) / max(height, width), min(img_scale) / min(height, width))
        resized = (max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1))
        padded = (-(-resized[0] // divisor) * divisor, -(-resized[1] // divisor) * divisor)
        return cls((height, width), resized, padded, scale)


class Preprocessor:
    """Turn BGR uint8 frames into the network's input tensor.

    Args:
        img_scale: the two numbers of the box that frames are scaled into, in any order.
        mean: per channel, in the channel order of the *output*, in units of pixel values (0 to 255).
        std: as ``mean``.
        to_rgb: swap BGR to RGB.
        size_divisor: the padded height and width are multiples of this.
    """

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 360),
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        to_rgb: bool = True,
        size_divisor: int = 32,
    ) -> None:
        self.img_scale = (int(img_scale[0]), int(img_scale[1]))
        self.size_divisor = size_divisor
        self.to_rgb = to_rgb
        # A pixel has 256 values, so the normalisation in float32 is a table: exact, and ten times faster than
        # arithmetic on the whole frame.
        values = np.arange(256, dtype=np.float32)
        self._tables = [(values - np.float32(m)) / np.float32(s) for m, s in zip(mean, std, strict=True)]

    def geometry(self, height: int, width: int) -> FrameGeometry:
        """Return the sizes that a ``height`` x ``width`` frame goes through."""
        return FrameGeometry.of(height, width, self.img_scale, self.size_divisor)

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """Resize, normalise and pad frames.

        Args:
            frames: T arrays ``[H, W, 3]``, uint8, BGR, all of one size; T may not be 0.

        Returns:
            ``[T, 3, Hp, Wp]`` float32 on the CPU, (Hp, Wp) being :attr:`FrameGeometry.padded`.

        Raises:
            ValueError: no frame, frames of another type, or of different sizes.
        """
        if not len(frames):
            raise ValueError("needs at least one frame")
        height, width = frames[0].shape[:2]
        geometry = self.geometry(height, width)
        out = np.zeros((len(frames), 3, *geometry.padded), dtype=np.float32)
        for frame, target in zip(frames, out, strict=True):
            if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
                raise ValueError(f"frames must be [{height}, {width}, 3] uint8, got {list(frame.shape)} {frame.dtype}")
            self._write(frame, geometry.resized, target)
        return torch.from_numpy(out)

    def _write(self, frame: NDArray[np.uint8], size: tuple[int, int], out: NDArray[np.float32]) -> None:
        """Write one frame, resized to ``size`` and normalised, into the top left of ``out`` [3, Hp, Wp]."""
        height, width = size
        if frame.shape[:2] != size:
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        channels = cv2.split(frame)
        if self.to_rgb:
            channels = channels[::-1]
        for channel, table, plane in zip(channels, self._tables, out, strict=True):
            plane[:height, :width] = cv2.LUT(channel, table)
