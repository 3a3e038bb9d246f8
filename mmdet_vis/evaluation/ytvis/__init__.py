"""Evaluation of YouTube-VIS results: average precision and recall of mask sequences."""

from mmdet_vis.data.formats.json_files import load_results
from mmdet_vis.data.formats.opening import annotation_content as load_annotations
from mmdet_vis.evaluation.ytvis.evaluate import evaluate
from mmdet_vis.evaluation.ytvis.metrics import YtvisMetrics
from mmdet_vis.evaluation.ytvis.plot import check_plot_name, plot_pr_curves
from mmdet_vis.evaluation.ytvis.sequence_iou import sequence_iou

__all__ = [
    "YtvisMetrics",
    "check_plot_name",
    "evaluate",
    "load_annotations",
    "load_results",
    "plot_pr_curves",
    "sequence_iou",
]
