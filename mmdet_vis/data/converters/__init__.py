"""Annotations and results of any format brought into any other."""

from mmdet_vis.data.converters.convert import Selection, convert
from mmdet_vis.data.formats.annotated import ReadOptions
from mmdet_vis.data.formats.opening import read_annotations
from mmdet_vis.data.formats.registry import FORMATS

__all__ = ["FORMATS", "ReadOptions", "Selection", "convert", "read_annotations"]
