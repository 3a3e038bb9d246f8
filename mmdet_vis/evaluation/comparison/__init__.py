"""Two results on the same videos: whether one is better than the other, and where."""

from mmdet_vis.evaluation.comparison.compare import Comparison, compare_davis, compare_ytvis
from mmdet_vis.evaluation.comparison.pictures import VideoLayers, draw_video
from mmdet_vis.evaluation.comparison.report import render_comparison

__all__ = ["Comparison", "VideoLayers", "compare_davis", "compare_ytvis", "draw_video", "render_comparison"]
