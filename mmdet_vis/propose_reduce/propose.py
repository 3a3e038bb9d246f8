"""PROPOSE, first half: objects on the key frames (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce.arena import Arena
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.propose_reduce.target import TargetModel
from mmdet_vis.structures.masks import RLE, decode_masks, encode_masks


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
    model: SeqMaskRCNN,
    store: FeatureStore,
    keys: Sequence[int],
    image_size: tuple[int, int],
    mask_nms_thr: float,
) -> Iterator[Group]:
    """Detect on the key frames, in batches, and drop detections that overlap.

    Args:
        keys: indices of the key frames, increasing.
        image_size: (height, width) of the unpadded network input.
        mask_nms_thr: detections whose mask overlaps an earlier one by this IoU are dropped.

    Yields:
        The group of each key frame that has a detection.
    """
    for start in range(0, len(keys), store.batch_size):
        batch = keys[start : start + store.batch_size]
        features = store.compute(batch)
        for key, found in zip(batch, model.detect(features.levels, image_size), strict=True):
            masks: NDArray[np.uint8] = found.masks
            rles = encode_masks(masks)
            kept = mask_nms(rles, mask_nms_thr)
            if kept:
                yield Group(key, [rles[i] for i in kept])
