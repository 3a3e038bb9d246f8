"""Loss functions. Each returns a sum; who calls it divides by the number that it belongs to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6


def smooth_l1(predicted: Tensor, target: Tensor, beta: float) -> Tensor:
    """Smooth L1 distance per element, not negative (Fast R-CNN, equation 3): quadratic below ``beta``, linear above."""
    distance = (predicted - target).abs()
    return torch.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta)


def soft_iou_loss(probability: Tensor, target: Tensor) -> Tensor:
    """One minus the soft IoU of masks (Propose-Reduce, section 3.4): ``1 - sum(min(p, g)) / sum(max(p, g))``.

    Of probabilities ``[N, H, W]`` float in [0, 1] and targets ``[N, H, W]``, 0 or 1, it is ``[N]`` in [0, 1]. An empty
    target gives 1 whatever the prediction.
    """
    target = target.to(probability.dtype)
    overlap = torch.minimum(probability, target).flatten(1).sum(dim=1)
    union = torch.maximum(probability, target).flatten(1).sum(dim=1)
    return 1 - overlap / (union + EPSILON)


def mask_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of masks, averaged over each mask's pixels.

    Unlike the soft IoU it teaches that an object has gone (a prediction where the target is empty costs), and has a
    gradient wherever the prediction is wrong: a network that predicts nothing anywhere can learn from it. Of logits
    ``[N, H, W]`` float and targets ``[N, H, W]``, 0 or 1, it is ``[N]``, not negative.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")
    return entropy.flatten(1).mean(dim=1)
