"""A contact sheet: frames of a YouTube-VIS format dataset with the masks, boxes and classes of its objects."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mmdet_vis.files.atomic import atomic_write


def write_contact_sheet(
    split: str | os.PathLike[str], path: str | os.PathLike[str], videos: int = 8, columns: int = 5
) -> None:
    """Write a PNG with one row per video: frames spread over it, drawn as training samples are.

    Args:
        split: folder with ``instances.json`` and ``JPEGImages``.
        path: PNG to write.
        videos: rows at most; the videos are taken evenly from the split.
        columns: frames per video at most.

    Raises:
        DatasetError: the split cannot be read.
        BrokenSampleError: a frame of it cannot be read.
        OutputError: the picture cannot be written.
    """
    # Making a dataset needs no torch.
    from mmdet_vis.data.clips.pictures import draw_clips
    from mmdet_vis.data.clips.ytvis_clips import YTVISClips

    dataset = YTVISClips("instances.json", "JPEGImages", data_root=Path(split))
    chosen = [dataset.videos[number] for number in _spread(len(dataset.videos), videos)]
    clips = [video.clip(_spread(len(video.files), columns)).finish() for video in chosen]
    atomic_write(Path(path), cv2.imencode(".png", draw_clips(clips, dataset.categories))[1].tobytes())


def _spread(length: int, most: int) -> list[int]:
    """Up to ``most`` of so many positions, evenly over them."""
    return [int(place) for place in np.linspace(0, length - 1, min(most, length)).round()]
