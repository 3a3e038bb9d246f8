"""Mask head: the shape of a detected object."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdet_vis.models.layers import ConvModule
from mmdet_vis.registry import MODELS


@MODELS.register_module()
class FCNMaskHead(nn.Module):
    """Fully convolutional mask head (Mask R-CNN, figure 4).

    Args:
        num_classes: categories plus one; channel 0 is unused.
        in_channels, conv_channels: channels of a pooled region and of the convolutions.
        num_convs: 3x3 convolutions before the upsampling.
        class_agnostic: one mask for all categories, which few examples can teach better; it is returned for each.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        conv_channels: int = 256,
        num_convs: int = 4,
        class_agnostic: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        widths = [in_channels] + [conv_channels] * num_convs
        self.convs = nn.ModuleList(ConvModule(i, o, 3, relu=True) for i, o in pairwise(widths))
        self.upsample = nn.ConvTranspose2d(conv_channels, conv_channels, 2, stride=2)
        self.conv_logits = nn.Conv2d(conv_channels, 1 if class_agnostic else num_classes, 1)
        for layer in (self.upsample, self.conv_logits):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, regions: Tensor) -> Tensor:
        """Pooled regions ``[N, C, 14, 14]`` to mask logits ``[N, num_classes, 28, 28]``."""
        x = regions
        for conv in self.convs:
            x = conv(x)
        logits = self.conv_logits(F.relu_(self.upsample(x)))
        return logits.expand(-1, self.num_classes, -1, -1) if logits.shape[1] == 1 else logits


def paste_masks(
    probabilities: NDArray[np.float32], boxes: NDArray[np.float32], canvas: tuple[int, int], threshold: float = 0.5
) -> NDArray[np.uint8]:
    """Put mask probabilities back into the image.

    OpenCV's bilinear resize is part of the reference numbers (torch's differs at the borders).

    Args:
        probabilities: ``[N, 28, 28]`` float32 in [0, 1].
        boxes: ``[N, 4]`` float32 inclusive boxes, inside the canvas; their corners are truncated to integers.
        canvas: (height, width).
        threshold: a pixel belongs to the object when its probability is **greater**.

    Returns:
        ``[N, height, width]`` uint8 with values 0 and 1.
    """
    height, width = canvas
    masks = np.zeros((len(boxes), height, width), np.uint8)
    for mask, probability, box in zip(masks, probabilities, boxes.astype(np.int32), strict=True):
        x1, y1, x2, y2 = (int(v) for v in box)
        w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
        inside = cv2.resize(probability, (w, h), interpolation=cv2.INTER_LINEAR) > threshold
        # A box that touches the border may reach one pixel past a canvas that was rounded down.
        bottom, right = min(y1 + h, height), min(x1 + w, width)
        mask[y1:bottom, x1:right] = inside[: bottom - y1, : right - x1]
    return masks
