"""Drawing a result from Python: the command's own pictures."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.errors import ConfigError
from mmdet_vis.result import VideoResult
from mmdet_vis.visualization.overlay import render_frames
from tests.structures.cases import make_result

MASKS = np.zeros((3, 2, 120, 200), bool)
MASKS[0, 0, 20:60, 30:90] = True
MASKS[1, :, 70:110, 100:180] = True
MASKS[2, 1, 5:15, 5:15] = True


@pytest.fixture
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (2, 120, 200, 3)).astype(np.uint8))


def test_draw_gives_the_commands_pictures(frames):
    result = make_result(MASKS, VideoResult)
    for options in ({}, {"score_thr": 0.6}, {"style": "blend"}):
        expected = list(render_frames(result, frames, **options))
        got = [result.draw(index, frame, **options) for index, frame in enumerate(frames)]
        np.testing.assert_array_equal(got, expected)
        assert any((drawn != frame).any() for drawn, frame in zip(got, frames, strict=True))


def test_draw_on_rgb(frames):
    result = make_result(MASKS, VideoResult)
    turned = result.draw(0, np.ascontiguousarray(frames[0][..., ::-1]), color="rgb")
    np.testing.assert_array_equal(turned[..., ::-1], result.draw(0, frames[0]))
    assert turned.flags.c_contiguous


def test_what_cannot_be_drawn(frames):
    result = make_result(MASKS, VideoResult)
    with pytest.raises(ValueError, match="clip has 2 frames, there is no frame 2"):
        result.draw(2, frames[0])
    with pytest.raises(ValueError, match="frame 0 of clip is 200x60, its result is 200x120"):
        result.draw(0, frames[0][:60])
    with pytest.raises(ConfigError, match="color='hsv'"):
        result.draw(0, frames[0], color="hsv")
