"""Converting weights between this program's names and those of other detectors and classifiers."""

from mmdet_vis.weights.convert.formats import FORMATS
from mmdet_vis.weights.convert.run import convert_checkpoint, convert_weights
from mmdet_vis.weights.convert.translation import Report

__all__ = ["FORMATS", "Report", "convert_checkpoint", "convert_weights"]
