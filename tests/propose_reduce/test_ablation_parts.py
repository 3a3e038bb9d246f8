"""The parts that only ablations use: no reduction, no long-term memory."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce import MemoryKeyFrame, NoReduce, Reduction
from mmdet_vis.structures import encode_masks
from tests.tiny import moving_frames


def segment(tiny, options, **arguments):
    return segment_video(load_model(*tiny, device="cpu", cfg_options=options), moving_frames(6), **arguments)


def test_without_reduction_every_sequence_is_kept():
    mask = np.ones((1, 8, 8), np.uint8)
    sequences = [encode_masks(mask) for _ in range(3)]
    scores = np.float32([[0.5, 0.3, 0.2], [0.0, 0.1, 0.9], [0.97, 0.01, 0.02]])
    kept, values = Reduction(NoReduce())(sequences, scores)
    assert kept == [1, 0, 2]
    np.testing.assert_array_equal(values, scores[kept])


def test_no_reduction_in_a_config(tiny):
    options = {"propose_reduce.reduce": {"_delete_": True, "type": "NoReduce"}}
    everything, reduced = segment(tiny, options), segment(tiny, {"propose_reduce.reduce.iou_thr": 0.1})
    assert len(everything.sequences) > len(reduced.sequences)
    assert {str(s.masks) for s in reduced.sequences} < {str(s.masks) for s in everything.sequences}
    scores = [s.score for s in everything.sequences]
    assert scores == sorted(scores, reverse=True)
    with pytest.raises(ConfigError, match=r"propose_reduce.reduce has unknown key 'iou_thr'; it takes none"):
        segment(tiny, {"propose_reduce.reduce.type": "NoReduce"})


def test_memory_of_the_key_frame_alone(tiny):
    policy = MemoryKeyFrame().start(9, 10)
    assert policy.capacity == 1
    assert [policy.slot(d) for d in range(1, 10)] == [None] * 9
    short = segment(tiny, {"propose_reduce.memory": {"_delete_": True, "type": "MemoryKeyFrame"}})
    never = segment(tiny, {}, mem_step=100)  # the next remembered frame lies beyond the video
    long = segment(tiny, {}, mem_step=1)
    assert [s.masks for s in short.sequences] == [s.masks for s in never.sequences]
    assert [s.masks for s in short.sequences] != [s.masks for s in long.sequences]
