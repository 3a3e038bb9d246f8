"""Transforms of a clip's pixels: light, colour and sharpness, common to the clip and different in each frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.training.raw import RawClip
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import TRANSFORMS


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
