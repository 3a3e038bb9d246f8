"""PROPOSE, first half: key frames, and the objects on them (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce.arena import Arena
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.propose_reduce.target import TargetModel
from mmdet_vis.registry import TASK_UTILS
from mmdet_vis.structures.masks import RLE, decode_masks, encode_masks


def key_frames(num_frames: int, key_num: int) -> list[int]:
    """Indices of key frames at equal distances, in increasing order and without repetition.

    They are ``int(i * (T - 1) / (key_num - 1))``: the first and the last frame and equal steps between. The reference
    repeats indices when the video has fewer frames than key frames, which only makes copies that the reduction
    removes again; here every frame is used at most once. With ``key_num=1`` the one key frame is the first frame
    (the reference divides by zero).

    Args:
        num_frames: T >= 1.
        key_num: >= 1.

    Raises:
        ValueError: one of the numbers is below 1.
    """
    if num_frames < 1 or key_num < 1:
        raise ValueError(f"num_frames and key_num must be at least 1, got {num_frames} and {key_num}")
    if key_num == 1:
        return [0]
    if key_num >= num_frames:
        return list(range(num_frames))
    return sorted({int(i * (num_frames - 1) / (key_num - 1)) for i in range(key_num)})


@TASK_UTILS.register_module()
class KeyFramesByContent:
    """Key frames where something is seen that no carried object explains, not evenly spread ones. Not in the paper.

    Every ``step``-th frame and the last one are looked at. In the forward sweep, an object found there starts a
    sequence only if none that is under way covers it: a frame on which all is explained costs its detection alone.

    Args:
        step: frames between those that are looked at.
        iou_thr: mask IoU from which a sequence explains what is found.
    """

    def __init__(self, step: int = 5, iou_thr: float = 0.5) -> None:
        if step < 1 or not 0 <= iou_thr <= 1:
            raise ValueError(f"step must be at least 1 and iou_thr from 0 to 1, got {step} and {iou_thr}")
        self.step = step
        self.iou_thr = iou_thr

    def candidates(self, num_frames: int) -> list[int]:
        """Indices of the frames that are looked at, in increasing order."""
        return sorted({*range(0, num_frames, self.step), num_frames - 1})


@dataclass
class Group:
    """The objects proposed from one key frame, which are propagated together.

    Attributes:
        key: index of the key frame.
        masks: K RLEs of the detected masks at the resized image's size.
        indices: index of each object among all sequences of the video, given when its propagation starts.
        entry: the key frame in memory form, see :class:`~mmdet_vis.propose_reduce.carry.Carrier`.
        memory: of the sweep under way.
        span: the frames that it is carried to; None: all.
        others: groups of the same objects on other frames, which are remembered all the time.
        hidden: frames on which the objects cannot be seen.
        arena: what its objects compete with besides each other; groups of one arena compete.
        target: tells the pixels of its only object from others; None: nobody does.
        until: called with each frame that it was carried to and its masks ``[K, H, W]`` bool; True ends this direction.
    """

    key: int
    masks: list[RLE]
    indices: list[int] = field(default_factory=list)
    entry: Any = None
    memory: Any = None
    span: range | None = None
    others: Sequence[Group] = ()
    hidden: Collection[int] = ()
    arena: Arena | None = None
    target: TargetModel | None = None
    until: Callable[[int, Tensor], bool] | None = None

    @property
    def size(self) -> int:
        """K."""
        return len(self.masks)

    def covers(self, frame: int) -> bool:
        """Whether a frame is among those that it is carried to."""
        return self.span is None or frame in self.span

    def binary_masks(self, device: torch.device) -> Tensor:
        """``[K, h, w]`` float32 with values 0 and 1."""
        return torch.from_numpy(decode_masks(self.masks)).to(device, torch.float32)


def propose(
    model: SeqMaskRCNN, store: FeatureStore, keys: Sequence[int], image_size: tuple[int, int], mask_nms_thr: float
) -> Iterator[Group]:
    """Detect on key frames, in batches, and drop detections whose mask overlaps an earlier one by ``mask_nms_thr``.

    Args:
        keys: indices of the key frames, increasing.
        image_size: (height, width) of the unpadded network input.

    Yields:
        The group of each key frame that has a detection.
    """
    for start in range(0, len(keys), store.batch_size):
        batch = keys[start : start + store.batch_size]
        features = store.compute(batch)
        for key, found in zip(batch, model.detect(features.levels, image_size), strict=True):
            rles = encode_masks(found.masks)
            kept = mask_nms(rles, mask_nms_thr)
            if kept:
                yield Group(key, [rles[i] for i in kept])
