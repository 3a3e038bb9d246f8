"""How often frames are computed and read, and how much is held."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from mmdet_vis.api import load_model
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.propose_reduce.feature_store import EngineSettings, FeatureStore
from tests.tiny import moving_frames

FRAMES = 21
KEYS = [0, 10, 20]


class CountingSource(ArraySource):
    """Notes which frames are read."""

    def __init__(self, frames):
        super().__init__(frames)
        self.reads = Counter()

    def read(self, start, stop):
        self.reads.update(range(start, stop))
        return super().read(start, stop)


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu")


def engine(budget, batch):
    return EngineSettings(torch.device("cpu"), torch.float32, budget, 1, batch)


def sweep(model, budget, batch):
    """Visit the frames as the engine does; returns the store, its source and the most bytes held."""
    source, held = CountingSource(moving_frames(FRAMES)), []
    with FeatureStore(model.network, source, model.preprocess, engine(budget, batch)) as s:
        for start in range(0, len(KEYS), batch):
            s.compute(KEYS[start : start + batch])
        first = next(iter(s._frames.values())).nbytes
        for direction in (1, -1):
            for t in range(FRAMES)[::direction]:
                assert s.get(t, direction).terms.p2.shape[0] == 1
                held.append(sum(entry.nbytes for entry in s._frames.values()))
                assert held[-1] == s._bytes
        return s, source, max(held) / first


@pytest.mark.parametrize("batch", [1, 4, 8])
def test_with_room_for_all_each_frame_is_computed_and_held_once(model, batch):
    store, source, held = sweep(model, 1 << 30, batch)
    assert held == FRAMES
    assert store.computed == sum(source.reads.values()) == FRAMES


@pytest.mark.parametrize("batch", [1, 4, 8])
def test_without_a_budget_a_batch_is_computed_once_for_each_sweep(model, batch):
    store, source, held = sweep(model, 0, batch)
    assert held <= batch
    # Two sweeps over the grid, and the key frames' batch when they are proposed and at most twice for each of them.
    grid = 2 * FRAMES
    keys = len(KEYS) + 2 * len(KEYS) * min(batch, len(KEYS))
    assert FRAMES < store.computed <= grid + keys
    # Read for each computation, and ahead: never more often than that.
    assert sum(source.reads.values()) <= store.computed + batch


def test_the_reader_leaves_pytorch_alone(model):
    """A thread that computes with it takes threads of its own, and from then on all of them wait asleep."""
    seen = []

    def preprocess(frames):
        seen.append([f.shape for f in frames])
        return model.preprocess(frames)

    with FeatureStore(model.network, ArraySource(moving_frames(9)), preprocess, engine(1 << 30, 4)) as store:
        features = store.compute([0, 4, 8])
        one = store.model.extract_for_detection(model.preprocess(moving_frames(9)[4:5]))
    assert [len(shapes) for shapes in seen] == [3]  # one call, of frames: nothing is put together as tensors
    torch.testing.assert_close(features.levels[0][1:2], one.levels[0], rtol=1e-4, atol=1e-4)


def test_growth_is_bounded_by_the_room_that_is_left(model):
    with FeatureStore(model.network, ArraySource(moving_frames(9)), model.preprocess, engine(1 << 30, 2)) as store:
        store.compute([0, 4])
        one = store._frames[0].nbytes
        store.bound_growth(None)
        assert store.budget == 1 << 30
        store.bound_growth(3 * one)
        assert store.budget == 5 * one
        for t in range(9):
            store.get(t, 1)
        assert len(store._frames) == 5
