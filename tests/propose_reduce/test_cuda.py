"""A GPU gives what the CPU gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.api import engine_settings, load_model, segment_video
from mmdet_vis.baselines.plain import KeepAll, plain_propose
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import MemoryEveryNth, ProposeReduceSettings, key_frames, propose_reduce
from tests.tiny import moving_frames

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

FRAMES = 9


def run(tiny, device, budget=1 << 30, precision="float32"):
    """All sequences before the reduction."""
    model, keep, frames = load_model(*tiny, device=device, precision=precision), KeepAll(), moving_frames(FRAMES)
    settings = ProposeReduceSettings(3, MemoryEveryNth(1), 0.2, keep)
    size = model.preprocess.geometry(*frames[0].shape[:2]).resized
    with tf32_products(model.precision.tf32):
        engine = engine_settings(model, budget)
        propose_reduce(model.network, ArraySource(frames), model.preprocess, size, settings, engine)
    return keep.masks, keep.scores


def check_equal(found, expected):
    assert len(found[0]) == len(expected[0]) >= 4
    assert np.abs(found[1] - expected[1]).max() < 5e-4
    for ours, theirs in zip(found[0], expected[0], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            if coco_mask.area(b) > 100:
                assert coco_mask.iou([a], [b], [0])[0, 0] >= 0.99


@pytest.mark.parametrize("budget", [1 << 30, 0])
def test_engine_on_both(tiny, budget):
    check_equal(run(tiny, "cuda", budget), run(tiny, "cpu"))


def test_plain_statement_on_the_gpu(tiny):
    model = load_model(*tiny, device="cuda")
    with tf32_products(False):
        plain = plain_propose(model.network, moving_frames(FRAMES), model.preprocess, key_frames(FRAMES, 3))
    check_equal(run(tiny, "cuda"), plain)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16"])
def test_every_precision_detects_the_same(tiny, precision):
    """Detection runs in float32, so key frames give the same objects; a mask that is not finite would be an error."""
    rounded, exact = run(tiny, "cuda", precision=precision), run(tiny, "cuda")
    assert len(rounded[0]) == len(exact[0])
    assert all(len(masks) == FRAMES for masks in rounded[0])


def test_no_host_synchronisation_in_the_sweeps(tiny, monkeypatch):
    """Except for the masks of the key frames' detections, which come from the host."""
    from mmdet_vis.propose_reduce.propagate import Propagator

    step = Propagator._step

    def strict(self, t, groups, direction, last):
        self.store.get(t, direction)
        for group in groups:
            self._prepare(group, self.store.get(t, direction), direction)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(self, t, groups, direction, last)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Propagator, "_step", strict)
    # The masks leave in another thread, where waiting is right: the mode holds for all threads, so they wait here.
    from mmdet_vis.propose_reduce.collect import SequenceCollector

    kept = []
    monkeypatch.setattr(SequenceCollector, "_encode", lambda self, frame, sequences, packed: kept.append(frame))
    with pytest.raises(RuntimeError, match="lacks the mask of a frame"):  # as none was encoded
        segment_video(load_model(*tiny, device="cuda"), moving_frames(4))
    assert len(kept) > 4
