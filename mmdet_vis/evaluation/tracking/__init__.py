"""Measures of tracking on masks: HOTA, CLEAR MOT (MOTSA, sMOTSA), IDF1 and STQ."""

from mmdet_vis.evaluation.tracking.evaluate import TrackingMetrics, evaluate_index_pngs, evaluate_tracking
from mmdet_vis.evaluation.tracking.overlaps import VideoOverlaps

__all__ = ["TrackingMetrics", "VideoOverlaps", "evaluate_index_pngs", "evaluate_tracking"]
