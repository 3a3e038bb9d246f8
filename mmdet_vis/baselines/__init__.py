"""Other ways to find the sequences of a video, to compare Propose-Reduce with."""

from mmdet_vis.baselines.linking import FrameObjects, IoULinker, Track
from mmdet_vis.baselines.track_by_iou import TrackByIoU

__all__ = ["FrameObjects", "IoULinker", "Track", "TrackByIoU"]
