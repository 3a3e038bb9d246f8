"""Region proposal network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.ops import nms
from mmdet_vis.registry import MODELS
from mmdet_vis.structures.boxes import decode_boxes

RPN_STDS = (1.0, 1.0, 1.0, 1.0)


class AnchorGenerator:
    """One set of anchors per pyramid level, with the legacy rounding.

    Args:
        scales: anchor sizes in units of the stride.
        ratios: heights over widths.
        strides: image pixels per cell of each level; also the base size of the anchors.
    """

    def __init__(self, scales: Sequence[float], ratios: Sequence[float], strides: Sequence[int]) -> None:
        self.strides = tuple(strides)
        self.num_base_anchors = len(scales) * len(ratios)
        self.base_anchors = [self._base(stride, scales, ratios) for stride in strides]

    @staticmethod
    def _base(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
        """Anchors of the cell at the origin: ``[A, 4]`` float32, corners rounded half to even."""
        centre = 0.5 * (stride - 1)
        root = torch.tensor(ratios, dtype=torch.float32).sqrt()
        scale = torch.tensor(scales, dtype=torch.float32)
        width = ((stride / root)[:, None] * scale[None, :]).flatten()
        height = ((stride * root)[:, None] * scale[None, :]).flatten()
        half_w, half_h = 0.5 * (width - 1), 0.5 * (height - 1)
        return torch.stack((centre - half_w, centre - half_h, centre + half_w, centre + half_h), dim=1).round()

    def grid(self, level: int, height: int, width: int, device: torch.device) -> Tensor:
        """Anchors of a whole feature map: ``[height * width * A, 4]``, cells row by row, then the ratios."""
        stride = self.strides[level]
        xs = torch.arange(width, device=device, dtype=torch.float32) * stride
        ys = torch.arange(height, device=device, dtype=torch.float32) * stride
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        shifts = torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4)
        return (shifts + self.base_anchors[level].to(device)).reshape(-1, 4)


@MODELS.register_module()
class RPNHead(nn.Module):
    """Region proposal network over all pyramid levels (Faster R-CNN, section 3.1).

    Args:
        in_channels, feat_channels: channels of the pyramid and of the shared convolution.
        scales, ratios, strides: see :class:`AnchorGenerator`.
    """

    def __init__(
        self,
        in_channels: int = 256,
        feat_channels: int = 256,
        scales: Sequence[float] = (8,),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        strides: Sequence[int] = (4, 8, 16, 32, 64),
    ) -> None:
        super().__init__()
        self.anchors = AnchorGenerator(scales, ratios, strides)
        num_anchors = self.anchors.num_base_anchors
        self.rpn_conv = nn.Conv2d(in_channels, feat_channels, 3, padding=1)
        self.rpn_cls = nn.Conv2d(feat_channels, num_anchors, 1)
        self.rpn_reg = nn.Conv2d(feat_channels, num_anchors * 4, 1)
        for conv in (self.rpn_conv, self.rpn_cls, self.rpn_reg):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, levels: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and box changes of every anchor.

        Args:
            levels: P2..P6, ``[B, C, H_i, W_i]`` each.

        Returns:
            per level, logits ``[B, H_i, W_i, A]`` and deltas ``[B, H_i, W_i, 4 * A]``.
        """
        logits, deltas = [], []
        for level in levels:
            x = F.relu_(self.rpn_conv(level))
            logits.append(self.rpn_cls(x).permute(0, 2, 3, 1))
            deltas.append(self.rpn_reg(x).permute(0, 2, 3, 1))
        return logits, deltas

    def propose(
        self,
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        image_size: tuple[int, int],
        nms_pre: int = 200,
        nms_post: int = 200,
        max_num: int = 200,
        nms_thr: float = 0.7,
    ) -> list[Tensor]:
        """Proposals of each image.

        Args:
            logits, deltas: what :meth:`forward` returned.
            image_size: (height, width) of the unpadded images.
            nms_pre, nms_post: anchors kept per level before and after NMS.
            max_num: proposals kept in total.
            nms_thr: IoU above which a proposal is suppressed within its level.

        Returns:
            B tensors ``[N, 5]``, (x1, y1, x2, y2, score) in descending score, ``N <= max_num``.
        """
        scores = [level.flatten(1).sigmoid() for level in logits]
        changes = [level.reshape(level.shape[0], -1, 4) for level in deltas]
        grids = [self.anchors.grid(i, x.shape[1], x.shape[2], x.device) for i, x in enumerate(logits)]
        found = []
        for b in range(len(logits[0])):
            kept = []
            for score, delta, grid in zip((s[b] for s in scores), (c[b] for c in changes), grids, strict=True):
                if len(score) > nms_pre:
                    score, index = score.topk(nms_pre)
                    delta, grid = delta[index], grid[index]
                boxes = decode_boxes(grid, delta, RPN_STDS, image_size)
                keep = nms(boxes, score, nms_thr)[:nms_post]
                kept.append(torch.cat((boxes[keep], score[keep, None]), dim=1))
            proposals = torch.cat(kept)
            found.append(proposals[proposals[:, 4].topk(min(max_num, len(proposals))).indices])
        return found
