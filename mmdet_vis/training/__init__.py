"""Training on mmengine's Runner."""

from mmdet_vis.losses.step import MixedPrecisionOptimWrapper
from mmdet_vis.training.average import MovingAverageHook
from mmdet_vis.training.loop import ClipTrainLoop, Interrupted
from mmdet_vis.training.runner import TrainingRunner
from mmdet_vis.training.setup import build_runner
from mmdet_vis.training.state import latest_state
from mmdet_vis.training.validation import VideoValLoop

__all__ = [
    "ClipTrainLoop",
    "Interrupted",
    "MixedPrecisionOptimWrapper",
    "MovingAverageHook",
    "TrainingRunner",
    "VideoValLoop",
    "build_runner",
    "latest_state",
]
