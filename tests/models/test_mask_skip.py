"""The masks' part of the memory encoder's skip branch, composed of two convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmdet_vis.models.heads.propagation import SeqPropHead, compose, mask_skip


@pytest.mark.parametrize("size", [(4, 4), (4, 6), (16, 24)])
def test_it_is_one_convolution_after_the_other(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    position = nn.Conv2d(1, 5, 7, padding=3, bias=False).double()
    down = nn.Conv2d(5, 6, 3, stride=2, padding=1, bias=False).double()
    masks = torch.rand(3, 1, *size, dtype=torch.float64)
    with torch.no_grad():
        composed = compose(position.weight, down.weight)
        torch.testing.assert_close(
            mask_skip(masks, position, down, composed), down(position(masks)), rtol=0, atol=1e-12
        )


def test_memories_are_equal_with_and_without() -> None:
    torch.manual_seed(1)
    head = SeqPropHead(8, 16, in_channels=8, channels=8, key_channels=4, fuse_channels=12).eval()
    p2, masks = torch.randn(1, 8, 16, 24), torch.rand(3, 64, 90)
    with torch.no_grad():
        found = head.memorize(p2, masks, (head.frame_skip(p2), head.composed_skip()))
        for ours, expected in zip(found, head.memorize(p2, masks), strict=True):
            torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
