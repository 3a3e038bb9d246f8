"""Videos for which the memory does not suffice at first, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.errors import SourceError
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead
from mmdet_vis.propose_reduce.budget import smaller, with_less_memory
from mmdet_vis.propose_reduce.feature_store import EngineSettings, FeatureStore
from mmdet_vis.structures import decode_masks
from tests.tiny import moving_frames

ENGINE = EngineSettings(torch.device("cpu"), torch.float32, 2 * 2**30, 24 * 2**20, 8)
REFUSED = (
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
)


@pytest.fixture(scope="module")
def model(tiny: tuple[Path, Path]) -> VISModel:
    return load_model(*tiny, device="cpu")


def test_settings_shrink_to_the_smallest() -> None:
    steps: list[EngineSettings] = []
    settings: EngineSettings | None = ENGINE
    while settings is not None:
        steps.append(settings)
        settings = smaller(settings)
    assert [s.feature_bytes >> 20 for s in steps] == [2048, 512, 128, 0]
    assert [s.batch_size for s in steps] == [8, 2, 1, 1]
    assert [s.chunk_bytes for s in steps] == [24 * 2**20, 6 * 2**20, 3 * 2**19, 1]


def test_work_is_done_with_the_first_settings_that_fit(caplog: pytest.LogCaptureFixture) -> None:
    def work(settings: EngineSettings) -> int:
        if settings.feature_bytes > 200 * 2**20:
            raise RuntimeError(REFUSED)
        return settings.feature_bytes

    assert with_less_memory(work, ENGINE, "clip", 9) == 128 * 2**20
    lines = caplog.messages
    assert [line.startswith("clip: not enough memory ([enforce fail") for line in lines] == [True, True]
    assert lines[1].endswith("trying again with 128 MB for features and smaller batches")


def test_what_never_fits_is_an_error_of_the_video() -> None:
    tries = []

    def work(settings: EngineSettings) -> int:
        tries.append(settings)
        raise MemoryError

    with pytest.raises(
        SourceError, match=r"clip: not enough memory for its 9 frames, .* \(MemoryError\): try mem_max=40"
    ):
        with_less_memory(work, replace(ENGINE, feature_bytes=2**20), "clip", 9)
    assert len(tries) == 2


def test_other_errors_pass() -> None:
    def work(settings: EngineSettings) -> int:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        with_less_memory(work, ENGINE, "clip", 9)


def test_a_video_that_fits_in_small_pieces_only_gives_the_same_result(
    model: VISModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An allocator that refuses more than one object and one stored frame at a time."""
    frames = moving_frames(6)
    expected = segment_video(model, frames, key_num=2)
    decode, put = SeqPropHead.decode, FeatureStore._put

    def small_decode(self: SeqPropHead, read: Tensor, terms: FrameTerms) -> Tensor:
        if len(read) > 1:
            raise RuntimeError(REFUSED)
        return decode(self, read, terms)

    def small_store(self: FeatureStore, *args: object) -> None:
        put(self, *args)
        if len(self._frames) > 2:
            raise MemoryError

    monkeypatch.setattr(SeqPropHead, "decode", small_decode)
    monkeypatch.setattr(FeatureStore, "_put", small_store)
    found = segment_video(model, frames, key_num=2)
    assert caplog.text.count("trying again") == 3
    assert len(found.sequences) == len(expected.sequences) > 1
    for a, b in zip(found.sequences, expected.sequences, strict=True):
        assert a.label == b.label
        np.testing.assert_allclose(a.class_scores, b.class_scores, atol=1e-5)
        assert (decode_masks(a.masks) != decode_masks(b.masks)).mean() < 1e-3


def test_a_video_that_fits_in_no_way_says_so(model: VISModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: SeqPropHead, read: Tensor, terms: FrameTerms) -> Tensor:
        raise RuntimeError(REFUSED)

    monkeypatch.setattr(SeqPropHead, "decode", decode)
    with pytest.raises(SourceError, match="not enough memory for its 2 frames, even in the smallest pieces"):
        segment_video(model, moving_frames(2), key_num=1)


LIMITED = """
import resource, sys
from pathlib import Path
from mmdet_vis.api import load_model, segment_video
from mmdet_vis.data.formats import sequence_annotations
from tests.tiny import moving_frames

model = load_model(*sys.argv[1:3], device="cpu", cfg_options={"data_preprocessor.img_scale": (512, 256)})
segment_video(model, moving_frames(2), key_num=1)  # Everything is loaded.
before = resource.getrlimit(resource.RLIMIT_AS)
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[3]) * 2**20, before[1]))
options = {"key_num": 1, "mem_max": 2, "feature_memory": "256MB"}
found = segment_video(model, moving_frames(80), **options)
resource.setrlimit(resource.RLIMIT_AS, before)
expected = segment_video(model, moving_frames(80), **options)
assert sequence_annotations(found, 1, 0.0) == sequence_annotations(expected, 1, 0.0)
print(len(found.sequences))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of the address space are Linux's")
def test_a_process_with_less_memory_than_the_features_take(repository: Path, tiny: tuple[Path, Path]) -> None:
    """The real thing: 80 frames of 1.4 MB each do not fit, nor does a quarter of the budget."""
    command = [sys.executable, "-c", LIMITED, *map(str, tiny), "40"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1
    assert "not enough memory (" in done.stderr
    assert "trying again with 0 MB for features and smaller batches" in done.stderr
