"""Weights files: what is read, what is refused, and what the error says."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from mmdet_vis.engine.checkpoint import load_checkpoint, read_state_dict, save_safetensors
from mmdet_vis.engine.config import build_model, load_config
from mmdet_vis.errors import CheckpointError

RESNET = "configs/SeqMaskRCNN/seq_mask_rcnn_{}_fpn_1x_youtubevis19_ftstage.py"


@pytest.fixture
def model(tiny):
    return build_model(load_config(tiny[0]))


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", ["plain", "mmdet", "module"])
def test_pth_forms(model, tmp_path, form, zipped):
    state = model.state_dict()
    content = {
        "plain": state,
        "mmdet": {"meta": {"epoch": 4, "CLASSES": ("cat", "dog"), "config": "text"}, "state_dict": state},
        "module": {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    }[form]
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert equal(read_state_dict(tmp_path / "w.pth"), dict(state))


def test_safetensors_round_trip(model, tiny, tmp_path):
    save_safetensors(model, tmp_path / "w.safetensors", {"note": "test"})
    other = build_model(load_config(tiny[0]))
    load_checkpoint(other, tmp_path / "w.safetensors")
    assert equal(other.state_dict(), model.state_dict())
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_pickle_that_runs_code_does_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    for name, save in (("zip.pth", torch.save), ("plain.pth", lambda o, p: p.write_bytes(pickle.dumps(o)))):
        save({"state_dict": {"a": torch.zeros(1)}, "meta": Attack()}, tmp_path / name)
        with pytest.raises(CheckpointError, match=name) as caught:
            read_state_dict(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken", bytes(1000)])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_files(tmp_path, content, suffix):
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=path.name):
        read_state_dict(path)


def test_truncated_checkpoint(model, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(model.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="damaged"):
        read_state_dict(path)


def test_missing_file_and_empty_content(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        read_state_dict(tmp_path / "none.pth")
    torch.save({"meta": 1}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="no weights"):
        read_state_dict(tmp_path / "w.pth")
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="list"):
        read_state_dict(tmp_path / "w.pth")


def test_mismatch_lists_and_guesses(repository, tmp_path):
    r50 = build_model(load_config(repository / RESNET.format("r50")))
    state = dict(r50.state_dict())
    torch.save(state, tmp_path / "r50.pth")
    with torch.device("meta"):
        r101 = build_model(load_config(repository / RESNET.format("r101")))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(r101, tmp_path / "r50.pth")
    message = str(caught.value)
    assert "missing (backbone.layer3.6.conv1.weight" in message
    assert "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py" in message
    state["bbox_head.fc_cls.bias"] = torch.zeros(2)
    state["extra"] = torch.zeros(1)
    torch.save(state, tmp_path / "r50.pth")
    with pytest.raises(CheckpointError, match=r"1 left over \(extra\).*fc_cls.bias is \[2\] instead of \[41\]"):
        load_checkpoint(r50, tmp_path / "r50.pth")


def test_unused_published_keys_are_ignored(model, tiny, tmp_path):
    state = dict(model.state_dict())
    state["prop_head.conv_logits.weight"] = torch.zeros(4, 16, 1, 1)
    state["prop_head.convs.3.conv.bias"] = torch.zeros(16)
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    load_checkpoint(model, tmp_path / "w.pth")
