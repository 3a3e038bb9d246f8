"""The fast profile: what is covered is not propagated."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.propose_reduce.propagate import uncovered
from mmdet_vis.propose_reduce.propose import Group
from mmdet_vis.structures import encode_masks
from tests.tiny import moving_frames

FRAMES = 7


@pytest.fixture(scope="module")
def model(tiny):
    """Keeps every sequence; one pixel in common makes a detection covered."""
    options = {
        "propose_reduce.reduce": {"_delete_": True, "type": "NoReduce"},
        "propose_reduce.skip_covered_iou": 0.0,
    }
    return load_model(*tiny, device="cpu", cfg_options=options)


def test_which_objects_are_covered():
    masks = np.zeros((3, 8, 12), np.uint8)
    masks[0, :4, :4] = masks[1, 4:, 4:8] = masks[2, :2, 8:] = 1
    group = Group(0, encode_masks(masks))
    soft = torch.zeros(2, 10, 12)
    soft[0, :4, :5] = 0.9  # covers the first by 16 / 20
    soft[1, 4:10, 4:8] = 0.9  # reaches into the padding, which does not count
    rule = partial(uncovered, iou_thr=0.75)
    assert rule(group, soft) == [2]
    assert rule(group, soft[:0]) == [0, 1, 2]


@pytest.mark.parametrize("profile", ["exact", "fast"])
def test_whole_video_and_its_progress(model, profile):
    """At IoU 0 everything counts as covered: only the sequences of the first key frame remain."""
    frames, calls = moving_frames(FRAMES), []
    result = segment_video(model, frames, profile=profile, progress=lambda *call: calls.append(call))
    first = segment_video(model, frames, key_num=1).sequences  # of the first frame alone
    backward = 0 if profile == "fast" else FRAMES - 1
    assert [done for done, _ in calls] == list(range(1, FRAMES + backward + 1))
    assert calls[-1] == (FRAMES + backward, FRAMES + backward)
    assert all(len(sequence.masks) == FRAMES for sequence in result.sequences)
    if profile == "fast":
        assert [s.masks for s in result.sequences] == [s.masks for s in first]
    else:
        assert len(result.sequences) > len(first) > 1


def test_half_way_the_rest_still_counts(tiny):
    """A threshold that nothing reaches: the fast profile is the exact one, in two steps at each key frame."""
    options = {"propose_reduce.reduce": {"_delete_": True, "type": "NoReduce"}, "propose_reduce.skip_covered_iou": 1.0}
    model = load_model(*tiny, device="cpu", cfg_options=options)
    exact, fast = (segment_video(model, moving_frames(FRAMES), profile=p).sequences for p in ("exact", "fast"))
    assert [s.masks for s in fast] == [s.masks for s in exact]
    np.testing.assert_allclose([s.score for s in fast], [s.score for s in exact], atol=1e-6)
