"""The engine against the plain statement of the algorithm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.api import load_model
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.propose_reduce import EngineSettings, MemoryEveryNth, ProposeReduceSettings, key_frames, propose_reduce
from tests.plain import plain_propose
from tests.tiny import moving_frames


class KeepAll:
    """A reduction that shows what it is given."""

    def __call__(self, masks, scores):
        self.masks, self.scores = masks, scores
        return [], scores[:0]


def run_engine(model, frames, key_num=3, step=1, budget=1 << 30, chunk=1 << 24, batch=1):
    keep = KeepAll()
    settings = ProposeReduceSettings(key_num, MemoryEveryNth(step), 0.2, keep)
    engine = EngineSettings(torch.device("cpu"), model.precision.dtype, budget, chunk, batch)
    size = model.preprocess.geometry(*frames[0].shape[:2]).resized
    propose_reduce(model.network, ArraySource(frames), model.preprocess, size, settings, engine)
    return keep.masks, keep.scores


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu")


@pytest.fixture(scope="module")
def frames():
    return moving_frames(9)


@pytest.mark.parametrize("step", [1, 3])
def test_engine_equals_the_plain_statement(model, frames, step):
    masks, scores = run_engine(model, frames, step=step)
    plain_masks, plain_scores = plain_propose(model.network, frames, model.preprocess, key_frames(9, 3), step)
    assert len(masks) == len(plain_masks) >= 4
    assert np.abs(scores - plain_scores).max() < 5e-4
    for ours, theirs in zip(masks, plain_masks, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if coco_mask.area(b) > 100:
                assert coco_mask.iou([a], [b], [0])[0, 0] >= 0.99


@pytest.mark.parametrize("options", [{"budget": 1}, {"budget": 2_000_000}, {"chunk": 1}, {"batch": 4}])
def test_budget_chunks_and_batches_change_nothing(model, frames, options):
    expected = run_engine(model, frames)
    found = run_engine(model, frames, **options)
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_detection_stays_exact_in_bfloat16(tiny, model, frames):
    """Key frames give the same objects in any precision, also when a small budget makes them be computed again."""
    fast = load_model(*tiny, device="cpu", precision="bfloat16")
    first, small = run_engine(fast, frames), run_engine(fast, frames, budget=1)
    assert len(first[0]) == len(run_engine(model, frames)[0])
    assert first[0] == small[0]
    np.testing.assert_allclose(first[1], small[1], atol=1e-6)


def test_fast_profile_skips_what_is_covered(model, frames):
    from functools import partial

    from mmdet_vis.propose_reduce.covered import uncovered
    from mmdet_vis.propose_reduce.propose import Group
    from mmdet_vis.structures import encode_masks

    masks = np.zeros((3, 8, 12), np.uint8)
    masks[0, :4, :4] = masks[1, 4:, 4:8] = masks[2, :2, 8:] = 1
    group = Group(0, encode_masks(masks))
    soft = torch.zeros(2, 10, 12)
    soft[0, :4, :5] = 0.9  # covers the first by 16 / 20
    soft[1, 4:10, 4:8] = 0.9  # reaches into the padding, which does not count
    rule = partial(uncovered, iou_thr=0.75)
    assert rule(group, soft) == [2]
    assert rule(group, soft[:0]) == [0, 1, 2]


def test_a_video_whose_memory_cannot_fit_is_refused(model, frames, monkeypatch):
    from mmdet_vis.errors import SourceError
    from mmdet_vis.propose_reduce import memory_need

    monkeypatch.setattr(memory_need, "free_bytes", lambda device: 10_000)
    with pytest.raises(SourceError, match=r"9 frames with \d+ proposed objects needs .*--mem-max"):
        run_engine(model, frames)


def test_free_memory_is_known_on_linux():
    from mmdet_vis.propose_reduce.memory_need import free_bytes

    assert free_bytes(torch.device("cpu")) > 2**20
