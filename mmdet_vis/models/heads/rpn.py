"""Region proposal network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.anchors import AnchorGenerator
from mmdet_vis.ops import nms
from mmdet_vis.registry import MODELS
from mmdet_vis.structures.boxes import decode_boxes

RPN_STDS = (1.0, 1.0, 1.0, 1.0)


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
        return [
            self._propose_one(
                [s[b] for s in scores],
                [c[b] for c in changes],
                grids,
                image_size,
                nms_pre,
                nms_post,
                max_num,
                nms_thr,
            )
            for b in range(logits[0].shape[0])
        ]

    @staticmethod
    def _propose_one(
        scores: list[Tensor],
        deltas: list[Tensor],
        grids: list[Tensor],
        image_size: tuple[int, int],
        nms_pre: int,
        nms_post: int,
        max_num: int,
        nms_thr: float,
    ) -> Tensor:
        kept = []
        for score, delta, grid in zip(scores, deltas, grids, strict=True):
            if len(score) > nms_pre:
                score, index = score.topk(nms_pre)
                delta, grid = delta[index], grid[index]
            boxes = decode_boxes(grid, delta, RPN_STDS, image_size)
            keep = nms(boxes, score, nms_thr)[:nms_post]
            kept.append(torch.cat((boxes[keep], score[keep, None]), dim=1))
        proposals = torch.cat(kept)
        best = proposals[:, 4].topk(min(max_num, len(proposals))).indices
        return proposals[best]
