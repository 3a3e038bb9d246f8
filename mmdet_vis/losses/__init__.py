"""Losses and targets of both branches of Seq Mask R-CNN: what a training step computes."""

from mmdet_vis.losses.step import PropagationSettings, TrainingStep, TrainSettings

__all__ = ["PropagationSettings", "TrainSettings", "TrainingStep"]
