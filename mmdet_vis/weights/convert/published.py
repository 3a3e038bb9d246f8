"""Published Seq Mask R-CNN weights, and Mask R-CNN of MMDetection 0.x and 1.x: our names are theirs."""

from __future__ import annotations

from mmdet_vis.weights.convert.translation import Options, State, Translation, translate
from mmdet_vis.weights.published import UNUSED


def read(state: State, options: Options) -> Translation:
    """The same names; what the reference creates and no forward pass uses is left out."""
    unused = {name for name in state if UNUSED.fullmatch(name) and not name.startswith("backbone.")}
    return translate(state, {name: name for name in state if name not in unused}, "no forward pass uses it")


def write(state: State, options: Options) -> Translation:
    """The same names. Layers that the reference creates and never uses are not made up."""
    result = translate(state, {name: name for name in state})
    result.notes.append(
        "the reference implementation will say that prop_head.convs, upsample and conv_logits are missing: it creates "
        "them and never uses them"
    )
    return result
