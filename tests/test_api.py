"""The Python interface, and what videos of unusual length give."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import mmdet_vis.api
from mmdet_vis import VideoResult, load_model, segment_video
from mmdet_vis.config.load import load_config
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.errors import ConfigError, SourceError
from mmdet_vis.structures import decode_masks
from tests.tiny import moving_frames, write_frames


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu")


def test_the_documented_example_runs(tiny, tmp_path, monkeypatch, capsys):
    """The example of the module's documentation, with its files in place."""
    example = mmdet_vis.api.__doc__.split("Example::")[1]
    code = "\n".join(line[4:] for line in example.splitlines())
    assert "load_model()" in code
    code = code.replace("load_model()", f"load_model({str(tiny[0])!r}, {str(tiny[1])!r})")
    write_frames(tmp_path / "clip.mp4", 3)  # a folder may have any name
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.split()[-1] == "3" for line in lines)


def test_a_model_has_a_short_repr(model):
    assert repr(model).startswith("VISModel(SeqMaskRCNN, ")
    assert repr(model).endswith("; cpu, float32)")
    assert len(repr(model)) < 150


def test_result_is_at_original_size(model):
    result = segment_video(model, moving_frames(5, height=50, width=70))
    assert (result.height, result.width, result.num_frames) == (50, 70, 5)
    assert result.sequences
    for rank, sequence in enumerate(result.sequences, start=1):
        assert sequence.track_id == rank
        assert len(sequence.masks) == 5
        assert decode_masks(sequence.masks).shape == (5, 50, 70)
        assert sequence.score == sequence.class_scores.max()
        assert result.category_of(sequence) in ("cat", "dog", "bird")
    scores = [s.score for s in result.sequences]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(("frames", "key_num"), [(1, 3), (2, 5), (4, 1), (1, 1)])
def test_short_videos_and_one_key_frame(model, frames, key_num):
    result = segment_video(model, moving_frames(frames), key_num=key_num)
    assert result.num_frames == frames
    assert all(len(s.masks) == frames for s in result.sequences)


def test_no_detection_gives_no_sequence(tiny):
    model = load_model(*tiny, device="cpu", cfg_options={"model.test_cfg.rcnn.score_thr": 1.0})
    assert segment_video(model, moving_frames(4)).sequences == []


def test_input_kinds_agree(model, tmp_path):
    frames = moving_frames(4)
    folder = write_frames(tmp_path / "clip", 4)
    expected = segment_video(model, frames)
    images = [Image.fromarray(np.ascontiguousarray(frame[..., ::-1])) for frame in frames]
    sources = (
        np.stack(frames),
        ArraySource(frames),
        folder,
        str(folder),
        sorted(folder.iterdir()),
        iter(frames),
        images,
    )
    for source in sources:
        found = segment_video(model, source)
        assert found.sequences == expected.sequences
    found = segment_video(model, np.stack(frames)[..., ::-1], color="rgb")
    assert found.sequences == expected.sequences
    assert segment_video(model, frames[0]) == segment_video(model, frames[:1])


def test_score_threshold(model):
    every = segment_video(model, moving_frames(4))
    best = every.sequences[0].score
    assert every.sequences[-1].score < best
    assert segment_video(model, moving_frames(4), score_thr=best) == every.filter(score=best)
    assert segment_video(model, moving_frames(4), score_thr=1.0).sequences == []


def test_a_result_is_saved_loaded_and_drawn(model, tmp_path):
    frames = moving_frames(4)
    result = segment_video(model, frames)
    assert type(result) is VideoResult
    result.save(tmp_path / "clip.json")
    assert VideoResult.load(tmp_path / "clip.json") == result
    assert (result.draw(0, frames[0], score_thr=0) != frames[0]).any()


def test_what_a_source_drops_is_a_warning(model, tmp_path, caplog):
    folder = write_frames(tmp_path / "clip", 2)
    (folder / "notes.txt").touch()
    with caplog.at_level(logging.WARNING, "mmdet_vis"):
        segment_video(model, folder)
    assert [r.getMessage() for r in caplog.records] == [
        f"{folder}: ignored 1 entry that is not an image, the first is notes.txt"
    ]


def test_the_package_loads_torch_when_it_is_needed():
    code = (
        "import sys, mmdet_vis\n"
        "assert 'torch' not in sys.modules and mmdet_vis.__version__ and 'load_model' in dir(mmdet_vis)\n"
        "assert not hasattr(mmdet_vis, 'nothing') and 'torch' not in sys.modules\n"
        "from mmdet_vis import *\n"
        "print(load_model.__module__, segment_video.__module__, VideoResult.__name__, InstanceSequence.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mmdet_vis.api", "mmdet_vis.api", "VideoResult", "InstanceSequence"]


def test_progress_counts_both_sweeps(model):
    calls = []
    segment_video(model, moving_frames(6), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1] == len(calls)
    assert 6 <= len(calls) <= 11


def test_options_are_checked(model, tiny):
    with pytest.raises(ConfigError, match=r"^key_num must be at least 1"):
        segment_video(model, moving_frames(2), key_num=0)
    with pytest.raises(ConfigError, match="not a size"):
        segment_video(model, moving_frames(2), feature_memory="lots")
    with pytest.raises(ConfigError, match=r"^device='toaster' is not a device"):
        load_model(*tiny, device="toaster")
    with pytest.raises(ConfigError, match=r"^precision='int4' is not known"):
        load_model(*tiny, device="cpu", precision="int4")
    with pytest.raises(ConfigError, match="categories has 2 names"):
        load_model(*tiny, device="cpu", cfg_options={"categories": ["a", "b"]})
    with pytest.raises(SourceError, match="nowhere"):
        segment_video(model, "nowhere")


def test_category_aware_reduction_drops_categories(model):
    plain = segment_video(model, moving_frames(5))
    aware = segment_video(model, moving_frames(5), use_cate_reduce=True)
    assert {str(s.masks) for s in aware.sequences} <= {str(s.masks) for s in plain.sequences}
    lowered = [s for s in aware.sequences if s.score < max(p.score for p in plain.sequences if p.masks == s.masks)]
    assert lowered
    assert min(s.score for s in aware.sequences) >= 0


def test_a_category_can_be_dropped_from_a_sequence(tiny):
    model = load_model(*tiny, device="cpu", cfg_options={"propose_reduce.cate_reduce.max_seq_num": 1})
    aware = segment_video(model, moving_frames(5), use_cate_reduce=True)
    kept = np.stack([s.class_scores for s in aware.sequences])
    assert ((kept >= 0).sum(axis=0) == 1).all()  # each category keeps its best sequence only
    assert (kept == -1).any()


def test_options_of_a_loaded_config(tiny):
    config = load_config(tiny[0])
    model = load_model(config, tiny[1], device="cpu", cfg_options={"model.test_cfg.rcnn.score_thr": 1.0})
    assert segment_video(model, moving_frames(2)).sequences == []
    assert config.model.test_cfg.rcnn.score_thr == 0.2
