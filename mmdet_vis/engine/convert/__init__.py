"""Converting weights between this program's names and those of other detectors and classifiers."""

from mmdet_vis.engine.convert.formats import FORMATS
from mmdet_vis.engine.convert.report import Report
from mmdet_vis.engine.convert.run import convert_weights

__all__ = ["FORMATS", "Report", "convert_weights"]
