"""Evaluation of DAVIS results: region similarity J and contour accuracy F of the unsupervised track."""

from mmdet_vis.evaluation.davis.evaluate import evaluate, evaluate_sequences
from mmdet_vis.evaluation.davis.metrics import DavisMetrics, ObjectMetrics

__all__ = ["DavisMetrics", "ObjectMetrics", "evaluate", "evaluate_sequences"]
