"""Analysis of YouTube-VIS results: what kinds of errors there are, what each costs, and where they happen."""

from mmdet_vis.evaluation.analysis.analyze import Analysis, analyze
from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.pictures import draw_videos
from mmdet_vis.evaluation.analysis.report import render_report

__all__ = ["Analysis", "ErrorType", "ObjectType", "analyze", "draw_videos", "render_report"]
