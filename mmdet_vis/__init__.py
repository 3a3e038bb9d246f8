"""mmdet_vis: video instance segmentation with Propose-Reduce (Seq Mask R-CNN)."""

from mmdet_vis.version import __version__

__all__ = ["__version__"]
