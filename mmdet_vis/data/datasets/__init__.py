"""Datasets of videos that a config can name, and what can be opened as videos otherwise."""

from mmdet_vis.data.datasets.base import VideoDataset, VideoInfo
from mmdet_vis.data.datasets.davis import DAVISDataset
from mmdet_vis.data.datasets.inputs import VideoInput, find_videos, open_video
from mmdet_vis.data.datasets.ytvis import YTVISDataset

__all__ = ["DAVISDataset", "VideoDataset", "VideoInfo", "VideoInput", "YTVISDataset", "find_videos", "open_video"]
