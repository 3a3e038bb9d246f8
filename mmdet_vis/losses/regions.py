"""Which regions the box and mask heads learn from, and what they should say of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mmdet_vis.losses.targets import Choose, SampleSettings, sample
from mmdet_vis.models.heads.bbox import SharedFCBBoxHead
from mmdet_vis.structures.boxes import encode_boxes
from mmdet_vis.structures.clip import FrameTargets


@dataclass
class Regions:
    """Sampled regions of one image, those of objects first.

    Attributes:
        boxes: ``[S, 4]`` float32.
        labels: ``[S]`` int64 classes, 0 is background.
        deltas: ``[P, 4]`` float32 from the first P boxes to their objects, over the head's standard deviations.
        masks: ``[P, m, m]`` float32, 0 or 1: the objects inside their regions.
    """

    boxes: Tensor
    labels: Tensor
    deltas: Tensor
    masks: Tensor

    @property
    def num_positive(self) -> int:
        """P."""
        return len(self.deltas)


def choose_regions(
    proposals: Tensor,
    target: FrameTargets,
    exhaustive: bool,
    choose: Choose,
    settings: SampleSettings,
    mask_size: int = 28,
) -> Regions:
    """Choose regions of an image from its proposals and its true boxes.

    Args:
        proposals: ``[N, 4]`` float32.
        target: the visible objects.
        exhaustive: False: there are objects without annotation, so no region is taken for background.
        mask_size: side of what the mask head draws, in cells.
    """
    truth = target.boxes
    assigned = settings.assign(proposals, truth, target.ignored)
    own = torch.arange(1, len(truth) + 1, device=truth.device)
    boxes, assigned = torch.cat((truth, proposals)), torch.cat((own, assigned))
    chosen = sample(assigned, settings.num, settings.pos_fraction, choose, always=len(truth), negatives=exhaustive)
    index = assigned[chosen.positive] - 1
    positive = boxes[chosen.positive]
    labels = torch.cat((target.labels[index], index.new_zeros(len(chosen.negative))))
    return Regions(
        boxes=torch.cat((positive, boxes[chosen.negative])),
        labels=labels,
        deltas=encode_boxes(positive, truth[index], SharedFCBBoxHead.stds),
        masks=crop_masks(target.masks, index, positive, mask_size),
    )


def crop_masks(masks: Tensor, index: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Objects' masks inside regions, as the mask head should draw them.

    OpenCV's bilinear resize of 0/1 pixels, which rounds to 0 or 1: the published weights were trained on it.

    Args:
        masks: ``[N, h, w]`` uint8, 0 or 1.
        index: ``[P]`` which mask belongs to each box.
        boxes: ``[P, 4]`` float inclusive boxes; corners are truncated to integers.
        size: side of the result.

    Returns:
        ``[P, size, size]`` float32, 0 or 1, on the device of ``boxes``.
    """
    corners = boxes.cpu().numpy().astype(np.int64)
    sources = masks.cpu().numpy()
    out = np.zeros((len(corners), size, size), np.uint8)
    for target, which, (x1, y1, x2, y2) in zip(out, index.tolist(), corners, strict=True):
        # A box may end one pixel outside the image (annotations are clipped to its size): it is as if padded with 0.
        region = np.zeros((max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)), np.uint8)
        inside = sources[which, y1 : y1 + region.shape[0], x1 : x1 + region.shape[1]]
        region[: inside.shape[0], : inside.shape[1]] = inside
        target[:] = cv2.resize(region, (size, size), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(out).to(boxes.device).float()
