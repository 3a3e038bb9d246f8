"""torchvision's ``maskrcnn_resnet50_fpn`` (and the same with another ResNet), to and from ours.

The same arithmetic under both names: backbone, pyramid, RPN scores, pooling (a box of ours ends one pixel before
torchvision's half-open one), box head (its weights 10, 10, 5, 5 are our deviations .1, .1, .2, .2; fc6 reads a region
in the same order; the background is class 0), and mask head. Folded into the weights: the epsilon of batch
normalisation (0 in torchvision's COCO weights, 1e-5 here) and the place of the anchors. Not the same, and no weights
can make it so: images are resized otherwise (800 to 1333 pixels), more proposals and detections are kept, masks are
pasted with another interpolation, and torchvision squeezes the anchors of the last level where the padded image is
no multiple of 64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

from mmdet_vis.errors import option
from mmdet_vis.models.heads.rpn import AnchorGenerator
from mmdet_vis.weights.convert.translation import (
    Loss,
    Options,
    Pairs,
    State,
    Translation,
    backwards,
    by_beginning,
    translate,
)

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


PAIRS: Pairs = (
    ("backbone.body.", "backbone."),
    *((f"backbone.fpn.inner_blocks.{i}.0.", f"neck.lateral_convs.{i}.conv.") for i in range(4)),
    *((f"backbone.fpn.layer_blocks.{i}.0.", f"neck.fpn_convs.{i}.conv.") for i in range(4)),
    ("rpn.head.conv.0.0.", "rpn_head.rpn_conv."),
    ("rpn.head.cls_logits.", "rpn_head.rpn_cls."),
    ("rpn.head.bbox_pred.", "rpn_head.rpn_reg."),
    ("roi_heads.box_head.fc6.", "bbox_head.shared_fcs.0."),
    ("roi_heads.box_head.fc7.", "bbox_head.shared_fcs.1."),
    ("roi_heads.box_predictor.cls_score.", "bbox_head.fc_cls."),
    ("roi_heads.box_predictor.bbox_pred.", "bbox_head.fc_reg."),
    *((f"roi_heads.mask_head.{i}.0.", f"mask_head.convs.{i}.conv.") for i in range(4)),
    ("roi_heads.mask_predictor.conv5_mask.", "mask_head.upsample."),
    ("roi_heads.mask_predictor.mask_fcn_logits.", "mask_head.conv_logits."),
)
# Names of torchvision before 0.13, which its published file has; they end where the new ones go on.
OLD: Pairs = (
    *((f"backbone.fpn.inner_blocks.{i}.", f"neck.lateral_convs.{i}.conv.") for i in range(4)),
    *((f"backbone.fpn.layer_blocks.{i}.", f"neck.fpn_convs.{i}.conv.") for i in range(4)),
    ("rpn.head.conv.", "rpn_head.rpn_conv."),
    *((f"roi_heads.mask_head.mask_fcn{i + 1}.", f"mask_head.convs.{i}.conv.") for i in range(4)),
)
SECOND_VERSION = "backbone.fpn.inner_blocks.0.1.weight"
"""Only ``maskrcnn_resnet50_fpn_v2`` has it: batch normalisation in the pyramid and in heads of other layers."""

OUR_EPS = 1e-5
COUNTER = ".num_batches_tracked"


def categories() -> Sequence[str]:
    """Names of torchvision's 91 COCO classes, the background first."""
    return MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]


def read(state: State, options: Options) -> Translation:
    """Weights of torchvision under our names."""
    second = SECOND_VERSION in state
    pairs = PAIRS[:1] if second else PAIRS + OLD
    reason = "another architecture (v2)" if second else "no counterpart"
    result = translate(state, by_beginning(state, pairs), reason)
    # torchvision's loader of COCO weights sets the frozen normalisation's epsilon to 0; only unfrozen ones count.
    frozen = not any(name.endswith(COUNTER) for name in state)
    eps = options.norm_eps if options.norm_eps is not None else (0.0 if frozen else OUR_EPS)
    _change_eps(result, eps, OUR_EPS)
    if second:
        result.notes.append("this is maskrcnn_resnet50_fpn_v2, of which only the backbone has a counterpart here")
        return result
    if not options.standard_anchors:
        drop_outputs(result)
    move_anchors(result.weights, 0.5)
    result.notes.append(f"batch normalisation of the source was taken to have epsilon {eps:g} ({option('norm_eps')})")
    result.notes.append("carried over: anchors are half a cell apart, which the bias of rpn_reg now makes up for")
    result.notes.append(
        "not carried over: the size that images are resized to, the number of proposals and detections, and the "
        "interpolation of pasted masks"
    )
    return result


def write(state: State, options: Options) -> Translation:
    """Our weights under the names of torchvision."""
    kept = {name: value for name, value in state.items() if not name.endswith(COUNTER)}
    move_anchors(kept, -0.5)
    result = translate(kept, by_beginning(kept, backwards(PAIRS)))
    reason = "torchvision's frozen normalisation has none"
    result.dropped |= {name: Loss(reason, name) for name in state if name not in kept}
    eps = options.norm_eps if options.norm_eps is not None else 0.0
    _change_eps(result, OUR_EPS, eps)
    result.notes.append(
        f"load it into a model whose frozen batch normalisation has epsilon {eps:g} ({option('norm_eps')})"
    )
    return result


def _change_eps(result: Translation, old: float, new: float) -> None:
    """The same function under another epsilon: only the sum of variance and epsilon counts."""
    if old == new:
        return
    for name, value in result.weights.items():
        if name.endswith(".running_var"):
            result.weights[name] = value + (old - new)
