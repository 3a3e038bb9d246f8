"""Necks: from backbone stages to a feature pyramid."""

from mmdet_vis.models.necks.fpn import FPN

__all__ = ["FPN"]
