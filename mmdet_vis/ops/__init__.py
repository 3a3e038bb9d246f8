"""RoIAlign and NMS under the legacy conventions, on torchvision's compiled CPU and CUDA kernels."""

from mmdet_vis.ops.nms import multiclass_nms, nms
from mmdet_vis.ops.roi_align import roi_align

__all__ = ["multiclass_nms", "nms", "roi_align"]
