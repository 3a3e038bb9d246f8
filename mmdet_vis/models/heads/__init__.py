"""Heads: proposals, boxes, masks, and propagation through time."""

from mmdet_vis.models.heads.bbox import SharedFCBBoxHead
from mmdet_vis.models.heads.light_propagation import LightPropHead, LightTerms
from mmdet_vis.models.heads.mask import FCNMaskHead, paste_masks
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead, soft_aggregate
from mmdet_vis.models.heads.rpn import RPNHead

__all__ = [
    "FCNMaskHead",
    "FrameTerms",
    "LightPropHead",
    "LightTerms",
    "RPNHead",
    "SeqPropHead",
    "SharedFCBBoxHead",
    "paste_masks",
    "soft_aggregate",
]
