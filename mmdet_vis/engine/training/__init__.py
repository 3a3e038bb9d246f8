"""Training on mmengine's Runner."""

from mmdet_vis.engine.training.average import MovingAverageHook
from mmdet_vis.engine.training.loop import ClipTrainLoop, Interrupted
from mmdet_vis.engine.training.optim import MixedPrecisionOptimWrapper
from mmdet_vis.engine.training.runner import TrainingRunner, latest_state
from mmdet_vis.engine.training.setup import build_runner
from mmdet_vis.engine.training.validation import VideoValLoop

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
