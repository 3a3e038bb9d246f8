"""Mask R-CNN of MMDetection 2 and 3 (ResNet and ResNeXt with FPN, ``pytorch`` style), to and from ours.

Names of the heads differ by a prefix, and so does the place of the background (:mod:`classes`) and of the anchors
(:mod:`anchors`), which are carried over. Not the same, and no weights can make it so: RoIAlign there is the aligned
kind with as many samples as pixels, ours lies half a cell further with 2 x 2 samples. Training goes on from these
weights well, but without it their boxes and masks are a little off.

MMDetection 0.x and 1.x have our names and conventions: read their files as ``published``.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmdet_vis.weights.convert import torchvision_detector
from mmdet_vis.weights.convert.classes import background_first, background_last
from mmdet_vis.weights.convert.torchvision_detector import drop_outputs, move_anchors
from mmdet_vis.weights.convert.translation import Options, Pairs, State, Translation, backwards, by_beginning, translate

PAIRS: Pairs = (
    ("roi_head.bbox_head.", "bbox_head."),
    ("roi_head.mask_head.", "mask_head."),
    ("backbone.", "backbone."),
    ("neck.", "neck."),
    ("rpn_head.", "rpn_head."),
)
LOST = (
    "not carried over: MMDetection pools regions with the aligned RoIAlign and adaptive sampling, half a cell from "
    "ours; train on, or expect boxes and masks a little off"
)


def categories() -> Sequence[str]:
    """Names of the 81 classes in our order: the background, then COCO's 80."""
    return [name for name in torchvision_detector.categories() if name != "N/A"]


def read(state: State, options: Options) -> Translation:
    """Weights of MMDetection under our names."""
    result = translate(state, by_beginning(state, PAIRS))
    if not options.standard_anchors:
        drop_outputs(result)
    background_first(result.weights)
    move_anchors(result.weights, 0.5)
    result.notes.append("carried over: the background moved from last to first; its rows for boxes and masks are zero")
    result.notes.append("carried over: anchors are half a cell apart, which the bias of rpn_reg now makes up for")
    result.notes.append(LOST)
    result.notes.append(
        "files of `caffe` style have the same names, but another stride and BGR images of 0 to 255: they do not work"
    )
    return result


def write(state: State, options: Options) -> Translation:
    """Our weights under the names of MMDetection."""
    weights = dict(state)
    background_last(weights)
    move_anchors(weights, -0.5)
    result = translate(weights, by_beginning(weights, backwards(PAIRS)))
    result.notes.append(LOST)
    return result
