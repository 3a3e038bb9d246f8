"""The engine against the plain statement of the algorithm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.api import load_model
from mmdet_vis.baselines.plain import KeepAll, plain_propose
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.propose_reduce import (
    EngineSettings,
    MemoryEveryNth,
    ProposeReduceSettings,
    key_frames,
    pipeline,
    propose_reduce,
)
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from tests.tiny import moving_frames


def run_engine(model, frames, key_num=3, step=1, budget=1 << 30, chunk=1 << 24, batch=1):
    keep = KeepAll()
    settings = ProposeReduceSettings(key_num, MemoryEveryNth(step), 0.2, keep)
    engine = EngineSettings(torch.device("cpu"), model.precision.dtype, budget, chunk, batch)
    size = model.preprocess.geometry(*frames[0].shape[:2]).resized
    propose_reduce(model.network, ArraySource(frames), model.preprocess, size, settings, engine)
    return keep.masks, keep.scores


@pytest.fixture
def stores(monkeypatch):
    """The feature stores of the runs of a test."""
    made = []

    class Recorded(FeatureStore):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(pipeline, "FeatureStore", Recorded)
    return made


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


@pytest.mark.parametrize(
    "options", [{"budget": 1}, {"budget": 200_000}, {"budget": 200_000, "batch": 4}, {"chunk": 1}, {"batch": 4}]
)
def test_budget_chunks_and_batches_change_nothing(model, frames, stores, options):
    expected = run_engine(model, frames)
    found = run_engine(model, frames, **options)
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert stores[0].computed == len(frames)
    if "budget" in options:
        assert stores[1].computed > len(frames)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_small_budget_gives_the_same_bits(tiny, stores, precision):
    """Every frame is computed again in the batch that it was first computed in, so nothing at all may differ."""
    model, frames = load_model(*tiny, device="cpu", precision=precision), moving_frames(11)
    expected, found = (run_engine(model, frames, budget=budget, batch=4) for budget in (1 << 30, 0))
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])
    assert stores[1].computed > stores[0].computed


def test_detection_stays_exact_in_bfloat16(tiny, model, frames):
    """Key frames give the same objects in any precision, also when a small budget makes them be computed again."""
    fast = load_model(*tiny, device="cpu", precision="bfloat16")
    first, small = run_engine(fast, frames), run_engine(fast, frames, budget=1)
    assert len(first[0]) == len(run_engine(model, frames)[0])
    assert first[0] == small[0]
    np.testing.assert_allclose(first[1], small[1], atol=1e-6)
