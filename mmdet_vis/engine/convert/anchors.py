"""Anchors of newer detectors lie half a cell up and left of ours: the RPN's box regression takes that up.

torchvision and MMDetection from 2.0 on centre the anchors of a cell on its corner, the legacy convention on its
middle. An anchor of scale 8 is ``8 / sqrt(ratio)`` strides wide and ``8 * sqrt(ratio)`` strides high on every level,
so that the way from one centre to the other, in units of the anchor, is a constant of the ratio and goes into the
bias. What remains is the rounding of anchors to pixels: with
torchvision, which rounds too, below 0.1 pixel of a box; with MMDetection, about a pixel for those that are not square.
"""

from __future__ import annotations

import torch

from mmdet_vis.engine.convert.translation import Translation
from mmdet_vis.models.anchors import AnchorGenerator

SCALE = 8.0
RATIOS = (0.5, 1.0, 2.0)
BIAS = "rpn_head.rpn_reg.bias"
OUTPUTS = ("rpn_head.rpn_cls.", "rpn_head.rpn_reg.")


def are_standard(anchors: AnchorGenerator) -> bool:
    """Whether a model has the anchors of the published detectors, one scale and three ratios."""
    standard = AnchorGenerator((SCALE,), RATIOS, anchors.strides)
    return all(torch.equal(a, b) for a, b in zip(anchors.base_anchors, standard.base_anchors, strict=True))


def move_anchors(weights: dict[str, torch.Tensor], cells: float) -> None:
    """Change the bias so that the same boxes come from anchors moved by ``cells`` strides right and down, in place.

    Args:
        weights: under our names; ``rpn_head.rpn_reg.bias`` is ``[3 * 4]``, ordered ratio by ratio (dx, dy, dw, dh).
        cells: 0.5 from newer detectors to ours, -0.5 back.
    """
    bias = weights.get(BIAS)
    if bias is None or bias.shape != (4 * len(RATIOS),):
        return
    moved = bias.clone().reshape(-1, 4)
    root = torch.tensor(RATIOS, dtype=moved.dtype).sqrt()
    moved[:, 0] -= cells * root / SCALE
    moved[:, 1] -= cells / (root * SCALE)
    weights[BIAS] = moved.flatten()


def drop_outputs(translation: Translation) -> None:
    """Leave out the layers whose outputs belong to anchors that the model does not have."""
    for name in [n for n in translation.weights if n.startswith(OUTPUTS)]:
        translation.drop(name, "made for other anchors")
