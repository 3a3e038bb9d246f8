"""Heads: proposals, boxes, masks, and propagation through time."""

from mmdet_vis.models.heads.bbox import SharedFCBBoxHead
from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.models.heads.mask import FCNMaskHead
from mmdet_vis.models.heads.propagation import SeqPropHead
from mmdet_vis.models.heads.rpn import RPNHead

__all__ = ["FCNMaskHead", "LightPropHead", "RPNHead", "SeqPropHead", "SharedFCBBoxHead"]
