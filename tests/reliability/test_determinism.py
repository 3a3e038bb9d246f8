"""The same video gives the same result: which of it to the bit, and the rest within what rounding does.

Float32 on the CPU. Libraries divide long sums among threads, and the last digits follow the division: that is the one
thing that the number of threads changes, see docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import mmdet_vis.api
from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.models import fast_conv
from mmdet_vis.models.fast_conv import FastConv3x3
from mmdet_vis.structures import VideoResult, areas, decode_masks
from tests import programs
from tests.tiny import moving_frames, write_frames

SCORES = 1e-5
"""Largest difference of scores between numbers of threads, batch sizes and the like."""
PIXELS = 1e-3
"""Largest share of pixels that differ: those whose probability is one half to the last digits."""


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["direct", "winograd"])
def model(tiny: tuple[Path, Path], request: pytest.FixtureRequest) -> Iterator[VISModel]:
    """The tiny network as it is, and with the convolutions that larger ones have."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "winograd":
            patch.setattr(fast_conv, "MIN_CHANNELS", 16)
            patch.setattr(fast_conv, "MIN_TILES", 1)
        model = load_model(*tiny, device="cpu")
        yield model
    made = [m for m in model.network.modules() if isinstance(m, FastConv3x3) and not m.pending_bytes()]
    assert len(made) > 5 or request.param == "direct"


@pytest.fixture(scope="module")
def expected(model: VISModel) -> VideoResult:
    """A video with several objects, segmented with one thread."""
    with threads(1):
        result = segment_video(model, moving_frames(6), key_num=2)
    assert len(result.sequences) > 1
    assert all(areas(s.masks).any() for s in result.sequences)
    return result


def text(result: VideoResult) -> str:
    """All that results.json has, to the last digit."""
    return json.dumps(sequence_annotations(result, 1, 0.0))


def assert_close(found: VideoResult, expected: VideoResult) -> None:
    assert len(found.sequences) == len(expected.sequences)
    for a, b in zip(found.sequences, expected.sequences, strict=True):
        assert a.label == b.label
        np.testing.assert_allclose(a.class_scores, b.class_scores, rtol=0, atol=SCORES)
        assert (decode_masks(a.masks) != decode_masks(b.masks)).mean() <= PIXELS


def test_again_and_with_the_model_loaded_again(model: VISModel, expected: VideoResult, tiny: tuple[Path, Path]) -> None:
    with threads(1):
        segment_video(model, moving_frames(4, seed=1), key_num=1)  # another video in between changes nothing
        assert text(segment_video(model, moving_frames(6), key_num=2)) == text(expected)
        again = load_model(*tiny, device="cpu")
        assert text(segment_video(again, moving_frames(6), key_num=2)) == text(expected)


def test_features_that_were_computed_again(model: VISModel, expected: VideoResult) -> None:
    with threads(1):
        assert text(segment_video(model, moving_frames(6), key_num=2, feature_memory=0)) == text(expected)


def test_frames_from_files(model: VISModel, expected: VideoResult, tmp_path: Path) -> None:
    with threads(1):
        assert text(segment_video(model, write_frames(tmp_path / "clip", 6), key_num=2)) == text(expected)


@pytest.mark.parametrize("chunk_bytes", [1, 2**16, 2**30])
def test_objects_decoded_together_or_alone(
    model: VISModel, expected: VideoResult, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setitem(mmdet_vis.api.CHUNK_BYTES, "cpu", chunk_bytes)
    with threads(1):
        assert_close(segment_video(model, moving_frames(6), key_num=2), expected)


@pytest.mark.parametrize("batch_size", [2, 4])
def test_frames_per_batch(
    model: VISModel, expected: VideoResult, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    monkeypatch.setitem(mmdet_vis.api.BATCH_SIZE, "cpu", batch_size)
    with threads(1):
        assert_close(segment_video(model, moving_frames(6), key_num=2), expected)


@pytest.mark.parametrize("number", [2, 3])
def test_number_of_threads(model: VISModel, expected: VideoResult, number: int) -> None:
    with threads(number):
        found = segment_video(model, moving_frames(6), key_num=2)
        assert_close(found, expected)
        assert text(segment_video(model, moving_frames(6), key_num=2)) == text(found), "the same number gives the same"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["direct"], indirect=True)
def test_a_process_of_its_own(model: VISModel, repository: Path, tiny: tuple[Path, Path], tmp_path: Path) -> None:
    """Another order of hashing, another number of threads in the environment: ``--threads 1`` decides."""
    video = write_frames(tmp_path / "in" / "clip", 4)
    command = [sys.executable, str(repository / "tools" / "test_vis.py"), *map(str, tiny), "--device", "cpu"]
    command += ["--input-dir", str(video.parent), "--save-dir", str(tmp_path / "out"), "--format", "json"]
    command += ["--threads", "1", "--key-num", "2", "--score-thr", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
    programs.run(command, env=environment, check=True, capture_output=True)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    with threads(1):
        expected = sequence_annotations(segment_video(model, video, key_num=2), 1, 0.0)
    assert json.dumps([{k: v for k, v in e.items() if k != "video_name"} for e in found]) == json.dumps(expected)
