"""What becomes of masks and scores."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce.collect import consecutive
from tests.tiny import moving_frames


@given(st.lists(st.integers(0, 9), unique=True))
def test_runs_of_consecutive_indices(indices):
    runs = list(consecutive(indices))
    assert [i for rows, _ in runs for i in indices[rows]] == indices
    assert [i for _, found in runs for i in range(found.start, found.stop)] == indices
    assert all(b.start != a.stop for (_, a), (_, b) in pairwise(runs))


@pytest.mark.parametrize(
    ("precision", "fix"), [("float32", "the weights are damaged"), ("bfloat16", "use precision='float32'")]
)
@pytest.mark.parametrize("part", ["prop_head.pred2", "bbox_head.fc_cls"])
def test_numbers_that_are_not_finite(tiny, precision, fix, part):
    """In the propagation head they would otherwise pass as objects that are never visible."""
    model = load_model(*tiny, device="cpu", precision=precision)
    if part == "prop_head.pred2":
        model.network.get_submodule(part).bias.fill_(float("inf"))
    else:
        classify = model.network.classify
        object.__setattr__(model.network, "classify", lambda *args: classify(*args) * torch.tensor(float("nan")))
    with pytest.raises(ConfigError, match=rf"precision='{precision}': .*not finite numbers: {fix}"):
        segment_video(model, moving_frames(3))
