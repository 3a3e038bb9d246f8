"""Heads with one box and one mask for all categories: the same shapes as those with one for each."""

from __future__ import annotations

import torch

from mmdet_vis.models.heads.bbox import SharedFCBBoxHead
from mmdet_vis.models.heads.mask import FCNMaskHead


def test_one_box_for_all_categories() -> None:
    torch.manual_seed(0)
    head = SharedFCBBoxHead(num_classes=5, in_channels=8, fc_channels=16, class_agnostic=True)
    head.fc_reg.weight.data.normal_()
    regions = torch.randn(3, 8, 7, 7)
    logits, deltas = head(regions)
    assert logits.shape == (3, 5)
    assert deltas.shape == (3, 20)
    boxes = deltas.unflatten(1, (5, 4))
    assert torch.equal(boxes, boxes[:, :1].expand(-1, 5, -1))
    assert torch.equal(boxes[:, 0], head.fc_reg(head.embed(regions)))
    # What is learnt of any category moves the same weights.
    boxes[0, 3].sum().backward()
    assert head.fc_reg.weight.grad is not None
    assert head.fc_reg.weight.grad.shape == (4, 16)


def test_one_mask_for_all_categories() -> None:
    torch.manual_seed(0)
    head = FCNMaskHead(num_classes=5, in_channels=8, conv_channels=8, num_convs=1, class_agnostic=True)
    logits = head(torch.randn(2, 8, 14, 14))
    assert logits.shape == (2, 5, 28, 28)
    assert torch.equal(logits, logits[:, :1].expand(-1, 5, -1, -1))
    assert logits.std() > 0
    assert head.conv_logits.weight.shape == (1, 8, 1, 1)
