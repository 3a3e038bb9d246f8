"""The comparison of two runs on one clip."""

from __future__ import annotations

import numpy as np

from mmdet_vis.baselines.agreement import agreement
from mmdet_vis.structures import encode_masks


def square(size):
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[:, :size, :size] = 1
    return encode_masks(mask)[0]


def test_matched_sequences_are_compared():
    scores = np.float32([[0.1, 0.9], [0.1, 0.9], [0.95, 0.05]])
    reference = [[square(20), square(5)], [square(9), square(9)], [square(30), square(30)]], scores
    other = [[square(20), square(20)]], np.float32([[0.3, 0.7]])
    # Frame two counts, although the mask of the reference is small there; the second sequence says nothing.
    text = agreement("a / b", reference, other, 0.1)
    assert "2 of 3 sequences, the other run has 1;" in text
    worst = 25 / 400
    assert f"mean {np.mean([1, worst, 81 / 400, 81 / 400]):.4f}, worst {worst:.4f}; score difference mean 0.2" in text
    for a, b in (((reference[0][:0], scores[:0]), other), (reference, ([], scores[:0]))):
        assert f"the other run has {len(b[0])}: nothing to compare" in agreement("a / b", a, b, 0.1)
