"""Boxes, masks and sequences: the data that passes between the parts of the program."""

from mmdet_vis.structures.frame import FrameObjects
from mmdet_vis.structures.masks import RLE, areas, decode_masks, empty_rle, encode_masks
from mmdet_vis.structures.prompts import Correction, Delete, Edit, Merge, NotVisible, Prompt, Rename, Split, Swap
from mmdet_vis.structures.sequence import InstanceSequence, VideoResult

__all__ = [
    "RLE",
    "Correction",
    "Delete",
    "Edit",
    "FrameObjects",
    "InstanceSequence",
    "Merge",
    "NotVisible",
    "Prompt",
    "Rename",
    "Split",
    "Swap",
    "VideoResult",
    "areas",
    "decode_masks",
    "empty_rle",
    "encode_masks",
]
