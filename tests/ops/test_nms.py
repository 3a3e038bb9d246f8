"""NMS across classes: what the published models do not have."""

from __future__ import annotations

import torch

from mmdet_vis.ops import multiclass_nms

BOXES = torch.tensor([[0.0, 0, 9, 9], [1, 0, 9, 9], [20, 20, 29, 29], [40, 40, 49, 49]])
SCORES = torch.tensor([[0.1, 0.3, 0.6, 0.0], [0.1, 0.5, 0.4, 0.0], [0.2, 0.0, 0.0, 0.8], [0.6, 0.4, 0.0, 0.0]])


def found(cross_thr: float | None, max_num: int = 10) -> list[tuple[float, float, int]]:
    boxes, scores, labels = multiclass_nms(BOXES.repeat(1, 4), SCORES, 0.2, 0.5, max_num, cross_thr)
    return [
        (box[0].item(), round(score.item(), 3), int(c)) for box, score, c in zip(boxes, scores, labels, strict=True)
    ]


def test_the_best_class_of_an_object_is_left_and_the_order_is_that_of_the_scores() -> None:
    assert found(None) == [(1, 0.5, 0), (40, 0.4, 0), (0, 0.6, 1), (20, 0.8, 2)]
    assert found(0.5) == [(20, 0.8, 2), (0, 0.6, 1), (40, 0.4, 0)]
    assert found(0.5, max_num=2) == [(20, 0.8, 2), (0, 0.6, 1)]
    assert found(0.95) == [(20, 0.8, 2), (0, 0.6, 1), (1, 0.5, 0), (40, 0.4, 0)]  # IoU 0.9
