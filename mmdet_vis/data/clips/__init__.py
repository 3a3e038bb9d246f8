"""Training data: clips of annotated videos and pseudo-videos of stills, their transforms, sampler and loader."""

from mmdet_vis.data.clips.base import ClipDataset, SampleKey
from mmdet_vis.data.clips.loader import ClipSampler, build_loader
from mmdet_vis.data.clips.mixed import MixedClips
from mmdet_vis.data.clips.raw import BrokenSampleError, RawClip, RawFrame
from mmdet_vis.data.clips.still_clips import StillClips
from mmdet_vis.data.clips.transforms import ClipBlur, ClipColor, ClipFlip, ClipResize
from mmdet_vis.data.clips.ytvis_clips import YTVISClips

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
]
