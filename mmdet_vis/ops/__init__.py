"""RoIAlign and NMS under the legacy conventions, on torchvision's compiled CPU and CUDA kernels."""

from mmdet_vis.ops.kernels import roi_align
from mmdet_vis.ops.nms import multiclass_nms, nms

__all__ = ["multiclass_nms", "nms", "roi_align"]
