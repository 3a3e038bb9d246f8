"""What an object looks like, learnt from the frames on which a person gave its mask: a second opinion on each pixel.

A propagation head compares frames, and takes for the object what resembles it there: a fence between a camel's humps
looks like the camel's back once it was part of a mask. A linear classifier that has seen the right mask tells them
apart. Robinson et al. train such a target model for each object and let a network refine what it says ("Learning Fast
and Robust Target Models for Video Object Segmentation", CVPR 2020, section 3.1); here its logits are added to the
head's, which needs no network of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.heads.light_propagation import LightPropHead, LightTerms
from mmdet_vis.propose_reduce.feature_store import FeatureStore, FrameFeatures
from mmdet_vis.structures.masks import RLE, decode_masks

SHARE = 0.4
"""What the target model's logits count beside the head's at most: both have seen the same masks."""
JUDGED = 4
"""Other frames that tell the slope, evenly spread."""
SUREST = 4.0
"""Largest logit of the target model: on frames that it was not fitted to it is less sure than it thinks."""
STEPS = 3
"""Newton steps of a fit."""
DECAY = 0.01
"""Weight of the squared coefficients, of features of unit variance, for each pixel that is fitted."""
AROUND = 0.3
"""Every pixel counts up to this share of the object's height and width around its box: confusions are near."""
LEAST = 4
"""The same in pixels at 1/4 of the image, at least."""
FAR = 0.1
"""What a pixel beyond counts."""
APART = 4
"""Beyond, one pixel of every so many rows and columns stands for all of them."""
MOST = 8
"""Frames that a target model is fitted to at most, evenly spread over those that were given."""


@dataclass(frozen=True)
class TargetModel:
    """Says for each pixel at 1/4 of the image whether it is a certain object's, by its features alone.

    Attributes:
        weight: ``[D]`` float32, of the channels of :func:`_maps`.
        bias: float32 scalar.
        share: what its logits count beside the head's.
    """

    weight: Tensor
    bias: Tensor
    share: float = SHARE

    def logits(self, features: FrameFeatures) -> Tensor:
        """``[h, w]`` float32 of a frame, within +-:data:`SUREST`."""
        maps = _maps(features)
        total = self.bias
        for x, weight in zip(maps, self.weight.split([x.shape[1] for x in maps]), strict=True):
            # A weighted sum of channels is enlarged, not the channels: both are linear.
            total = total + _enlarged((weight @ x[0].float().flatten(1)).view(1, 1, *x.shape[2:]), maps[0])[0, 0]
        return total.clamp(-SUREST, SUREST)


@torch.no_grad()
def fit_target(head: LightPropHead, store: FeatureStore, given: Mapping[int, RLE]) -> TargetModel:
    """Fit a target model to the masks of some frames, by logistic regression (Newton's method, L2 penalty).

    It is computed in float32 on the CPU, wherever the network is. The head says how masks are shrunk.

    Args:
        given: masks by frame, at the size of the network's input before padding; not empty.

    Raises:
        FloatingPointError: the features are not finite.
    """
    chosen = _spread(sorted(given), MOST)
    samples = [_samples(head, store.get(t, 1), given[t]) for t in chosen]
    x, y, count = (torch.cat(parts, dim=-1) for parts in zip(*samples, strict=True))
    variance, mean = torch.var_mean(x, dim=1)
    deviation = variance.sqrt() + 1e-3
    x = torch.cat(((x - mean[:, None]).div_(deviation[:, None]), x.new_ones((1, x.shape[1]))))
    penalty = torch.full((len(x),), DECAY) * count.sum()
    penalty[-1] = 1e-6
    coefficients = _regression(x, y, count, penalty)
    weight = coefficients[:-1] / deviation
    device = store.get(chosen[-1], 1).device
    return TargetModel(weight.to(device), (coefficients[-1] - weight @ mean).to(device))


@torch.no_grad()
def share_of(
    target: TargetModel, head: LightPropHead, store: FeatureStore, known: Callable[[int], NDArray[np.uint8]],
    frames: Sequence[int],
) -> float:  # fmt: skip
    """What a target model should count, by how well it tells the object on frames that it was not fitted to.

    The masks that are there are right for the most part. The slope of a logistic regression of them on the model's
    logits (Platt scaling) is 1 if these are as sure as they may be, and less if they are surer: what the frames that it
    was fitted to show is not all there is.

    Args:
        known: gives the mask that is there on a frame, ``[h, w]`` uint8, 0 or 1, before padding.
        frames: may be asked for; none that it was fitted to.
    """
    parts = []
    for t in _spread(frames, JUDGED):
        features = store.get(t, 1)
        logits = target.logits(features).cpu()
        mask = head.shrink(torch.from_numpy(known(t)[None]), (logits.shape[0], logits.shape[1]))[0]
        if not (mask >= 0.5).any():
            continue
        count = _counts(mask)
        used = (count > 0).flatten()
        parts.append((logits.flatten()[used], mask.flatten()[used], count.flatten()[used]))
    if not parts:
        return target.share
    x, y, count = (torch.cat(values) for values in zip(*parts, strict=True))
    slope, _ = _regression(torch.stack((x, torch.ones_like(x))), y, count, torch.full((2,), 1e-3)).tolist()
    return target.share * min(max(slope, 0.0), 1.0)


def _regression(x: Tensor, y: Tensor, count: Tensor, penalty: Tensor) -> Tensor:
    """Coefficients ``[D]`` of a logistic regression of ``y`` ``[N]`` on ``x`` ``[D, N]``, by Newton's method."""
    coefficients = x.new_zeros(len(x))
    for _ in range(STEPS):
        probability = (coefficients @ x).sigmoid()
        slope = x @ (count * (probability - y)) + penalty * coefficients
        curvature = (x * (count * probability * (1 - probability))) @ x.t() + penalty.diag()
        if not torch.isfinite(curvature).all():
            raise FloatingPointError("features are not finite")
        coefficients = coefficients - torch.linalg.solve(curvature, slope)
    return coefficients


def _spread(times: Sequence[int], most: int) -> list[int]:
    """Some of these, evenly spread."""
    return [times[i] for i in sorted({round(x) for x in np.linspace(0, len(times) - 1, most)})] if times else []


def _counts(mask: Tensor) -> Tensor:
    """How many pixels each pixel of an object's mask ``[h, w]`` stands for: 1 around the object, 0 for most beyond."""
    count = torch.zeros_like(mask)
    count[::APART, ::APART] = FAR * APART**2
    rows, columns = (mask >= 0.5).nonzero(as_tuple=True)
    if len(rows):
        (top, bottom), (left, right) = _around(rows), _around(columns)
        count[top:bottom, left:right] = 1
    return count


def _samples(head: LightPropHead, features: FrameFeatures, rle: RLE) -> tuple[Tensor, Tensor, Tensor]:
    """Features ``[D, N]`` of N pixels, their share of the mask ``[N]``, and how many pixels each stands for ``[N]``."""
    maps = [x.float().cpu() for x in _maps(features)]
    height, width = maps[0].shape[2:]
    mask = head.shrink(torch.from_numpy(decode_masks([rle])), (height, width))[0]
    count = _counts(mask)
    used = count.flatten().nonzero()[:, 0]
    x = torch.cat([_enlarged(x, maps[0])[0].flatten(1)[:, used] for x in maps])
    return x, mask.flatten()[used], count.flatten()[used]


def _around(places: Tensor) -> tuple[int, int]:
    """Where the rows or columns of an object's surroundings begin and end."""
    first, last = int(places.min()), int(places.max()) + 1
    margin = max(int(AROUND * (last - first)), LEAST)
    return max(first - margin, 0), last + margin


def _maps(features: FrameFeatures) -> list[Tensor]:
    """What a pixel is told by: maps ``[1, C, h, w]``, the first one at 1/4 of the image, the others smaller."""
    terms: LightTerms = features.terms
    return [terms.skip2, terms.skip3, *features.levels[:2]]


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    """A map at the size of another one."""
    size = like.shape[2:]
    return x if x.shape[2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)
