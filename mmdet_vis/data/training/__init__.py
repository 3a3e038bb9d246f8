"""Training data: clips of annotated videos and pseudo-videos of stills, their transforms, sampler and loader."""

from mmdet_vis.data.training.appearance import ClipBlur, ClipColor
from mmdet_vis.data.training.base import ClipDataset, SampleKey
from mmdet_vis.data.training.building import build_training_dataset, clips_per_step
from mmdet_vis.data.training.errors import BrokenSampleError
from mmdet_vis.data.training.loader import build_loader, collate
from mmdet_vis.data.training.mixed import MixedClips
from mmdet_vis.data.training.raw import RawClip, RawFrame
from mmdet_vis.data.training.sampler import ClipSampler
from mmdet_vis.data.training.still_clips import StillClips
from mmdet_vis.data.training.transforms import ClipFlip, ClipResize
from mmdet_vis.data.training.ytvis_clips import YTVISClips

__all__ = [
    "BrokenSampleError",
    "ClipBlur",
    "ClipColor",
    "ClipDataset",
    "ClipFlip",
    "ClipResize",
    "ClipSampler",
    "MixedClips",
    "RawClip",
    "RawFrame",
    "SampleKey",
    "StillClips",
    "YTVISClips",
    "build_loader",
    "build_training_dataset",
    "clips_per_step",
    "collate",
]
