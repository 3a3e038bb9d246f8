"""Transforms of a whole clip: size and mirror image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.raw import RawClip, RawFrame
from mmdet_vis.data.preprocess import FrameGeometry
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipResize:
    """Scale a clip into a box, as frames are scaled for inference, keeping its ratio of sides.

    Args:
        scales: pairs of numbers as in :class:`~mmdet_vis.data.preprocess.Preprocessor`; one is drawn for each clip.
    """

    def __init__(self, scales: Sequence[tuple[int, int]] = ((640, 360),)) -> None:
        self.scales = [(int(a), int(b)) for a, b in scales]
        if not self.scales or min(map(min, self.scales)) < 1:
            raise ConfigError(f"ClipResize: scales={scales} must be pairs of positive numbers")

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Scale all frames by the same factor."""
        scale = self.scales[rng.integers(len(self.scales))]
        for frame in clip.frames:
            _resize(frame, FrameGeometry.of(*frame.size, scale))
        return clip


def _resize(frame: RawFrame, geometry: FrameGeometry) -> None:
    factor = np.float32(geometry.scale)
    frame.boxes, frame.ignored = frame.boxes * factor, frame.ignored * factor
    if geometry.resized == geometry.original:
        return
    height, width = geometry.resized
    frame.image = np.asarray(cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    masks = np.empty((len(frame.masks), height, width), np.uint8)
    for mask, out in zip(frame.masks, masks, strict=True):
        cv2.resize(mask, (width, height), dst=out, interpolation=cv2.INTER_NEAREST)
    frame.masks = masks


@TRANSFORMS.register_module()
class ClipFlip:
    """Mirror a whole clip, left to right.

    Args:
        prob: how often, 0 to 1.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f"ClipFlip: prob={prob} must be between 0 and 1")
        self.prob = prob

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Mirror all frames or none."""
        if rng.random() < self.prob:
            for frame in clip.frames:
                width = frame.size[1]
                frame.image = np.ascontiguousarray(frame.image[:, ::-1])
                frame.masks = np.ascontiguousarray(frame.masks[:, :, ::-1])
                frame.boxes = _mirror(frame.boxes, width)
                frame.ignored = _mirror(frame.ignored, width)
        return clip


def _mirror(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Inclusive boxes ``[N, 4]`` in the mirror image of a frame of ``width`` pixels."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([width - 1 - x2, y1, width - 1 - x1, y2], axis=1)


@TRANSFORMS.register_module()
class ClipColor:
    """Change brightness, contrast, saturation and the balance of the channels.

    Each is a factor, the exponential of a normal draw that the whole clip shares plus one of each frame.

    Args:
        clip: deviation of the draw of the clip.
        frame: deviation of the draw of each frame.
        prob: how often, 0 to 1.
    """

    def __init__(self, clip: float = 0.2, frame: float = 0.05, prob: float = 0.8) -> None:
        if min(clip, frame) < 0 or not 0 <= prob <= 1:
            raise ConfigError(f"ClipColor: {clip=} and {frame=} must be 0 or more, {prob=} from 0 to 1")
        self.clip, self.frame, self.prob = clip, frame, prob

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Change the images."""
        if rng.random() >= self.prob:
            return clip
        common = self.clip * rng.standard_normal(6)
        for frame in clip.frames:
            frame.image = _recolour(frame.image, np.exp(common + self.frame * rng.standard_normal(6)))
        return clip


def _recolour(image: NDArray[np.uint8], factors: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Apply factors (brightness, contrast, saturation, and three of the channels, taken at a third of their log)."""
    brightness, contrast, saturation = factors[:3]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    middle = float(grey.mean())
    image = np.asarray(
        cv2.addWeighted(image, saturation, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), 1 - saturation, 0), np.uint8
    )
    values = np.arange(256.0)[:, None]
    table = ((values - middle) * contrast + middle) * brightness * np.cbrt(factors[3:])
    return np.asarray(cv2.LUT(image, table.round().clip(0, 255).astype(np.uint8)[:, None]), np.uint8)


@TRANSFORMS.register_module()
class ClipBlur:
    """Blur frames: out of focus (Gaussian) or by motion (a line), each frame on its own.

    Args:
        gaussian: how often a frame is out of focus, 0 to 1.
        sigma: greatest deviation of the Gaussian in pixels.
        motion: how often a frame has motion blur, 0 to 1.
        length: greatest length of the motion in pixels.
    """

    def __init__(self, gaussian: float = 0.2, sigma: float = 1.5, motion: float = 0.2, length: float = 9.0) -> None:
        if not (0 <= gaussian <= 1 and 0 <= motion <= 1 and sigma > 0.3 and length > 2):
            raise ConfigError(
                f"ClipBlur: {gaussian=} and {motion=} must be from 0 to 1, {sigma=} over 0.3, {length=} over 2"
            )
        self.gaussian, self.sigma, self.motion, self.length = gaussian, sigma, motion, length

    def __call__(self, clip: RawClip, rng: np.random.Generator) -> RawClip:
        """Blur the images; masks stay where they are, as annotators draw them on blurred frames too."""
        for frame in clip.frames:
            if rng.random() < self.gaussian:
                frame.image = np.asarray(cv2.GaussianBlur(frame.image, (0, 0), rng.uniform(0.3, self.sigma)), np.uint8)
            if rng.random() < self.motion:
                kernel = _line(rng.uniform(2, self.length), rng.uniform(0, np.pi))
                frame.image = np.asarray(cv2.filter2D(frame.image, -1, kernel), np.uint8)
        return clip


def _line(length: float, angle: float) -> NDArray[np.float32]:
    """Kernel of a motion: a line of ``length`` pixels at ``angle`` (radians) through the middle, of sum 1."""
    half = int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    places = np.linspace(-length / 2, length / 2, 4 * half + 1)
    for place in places:
        x, y = half + place * np.cos(angle), half + place * np.sin(angle)
        left, top = int(x), int(y)
        for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
                if row < len(kernel) and column < len(kernel):
                    kernel[row, column] += share_x * share_y
    return kernel / kernel.sum()
