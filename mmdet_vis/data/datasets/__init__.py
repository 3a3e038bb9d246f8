"""Datasets of videos that a config can name."""

from mmdet_vis.data.datasets.base import VideoDataset, VideoInfo
from mmdet_vis.data.datasets.davis import DAVISDataset
from mmdet_vis.data.datasets.ytvis import YTVISDataset

__all__ = ["DAVISDataset", "VideoDataset", "VideoInfo", "YTVISDataset"]
