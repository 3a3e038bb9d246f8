"""The network and its parts."""

from mmdet_vis.models.backbones import TimmBackbone
from mmdet_vis.models.heads import FCNMaskHead, LightPropHead, RPNHead, SeqPropHead, SharedFCBBoxHead
from mmdet_vis.models.necks import FPN
from mmdet_vis.models.roi_extractor import SingleRoIExtractor
from mmdet_vis.models.seq_mask_rcnn import Detections, Features, SeqMaskRCNN

__all__ = [
    "FPN",
    "Detections",
    "FCNMaskHead",
    "Features",
    "LightPropHead",
    "RPNHead",
    "SeqMaskRCNN",
    "SeqPropHead",
    "SharedFCBBoxHead",
    "SingleRoIExtractor",
    "TimmBackbone",
]
