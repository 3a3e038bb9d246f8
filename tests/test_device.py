"""Devices, precisions and sizes by name."""

from __future__ import annotations

import copy
import importlib.util
import shutil
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmdet_vis.api import BATCH_SIZE, CHUNK_BYTES
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.device import (
    Precision,
    compile_parts,
    cpu_has_fast_bfloat16,
    parse_bytes,
    place,
    resolve_device,
    resolve_precision,
)
from mmdet_vis.errors import ConfigError
from mmdet_vis.models import fast_conv
from mmdet_vis.models.fast_conv import FastConv3x3

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "value"), [("2GB", 2 << 30), ("500MB", 500 << 20), ("1.5k", 1536), ("7", 7), (" 1 GiB ", 1 << 30)]
)
def test_sizes(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 kilo", "nan"])
def test_not_sizes(text):
    with pytest.raises(ConfigError, match="feature_memory"):
        parse_bytes(text)


def test_precisions_of_the_cpu():
    assert resolve_precision("float32", CPU).dtype == torch.float32
    assert resolve_precision("bfloat16", CPU).dtype == torch.bfloat16
    fast = torch.bfloat16 if cpu_has_fast_bfloat16() else torch.float32
    assert resolve_precision("auto", CPU).dtype == fast
    for name in ("float16", "tf32"):
        with pytest.raises(ConfigError, match="needs a GPU"):
            resolve_precision(name, CPU)


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")])
def test_auto_precision_of_gpus(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")).name == expected


def test_apple_gpus_are_taken_where_torch_has_them(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    mps = resolve_device("mps")
    assert mps.type == "mps"
    assert resolve_precision("auto", mps).name == "float32"
    assert CHUNK_BYTES[mps.type] > 0
    assert BATCH_SIZE[mps.type] > 0
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device='mps': this machine has no Apple GPU"):
        resolve_device("mps")


@pytest.mark.parametrize(
    ("kind", "triton", "programs", "message"),
    [
        ("cpu", True, {"gcc"}, "on the CPU needs a C\\+\\+ compiler"),
        ("cuda", False, {"gcc", "g++"}, "on a GPU needs Triton"),
        ("cuda", True, {"g++"}, "on a GPU needs a C compiler"),
    ],
)
def test_compiling_needs_compilers(monkeypatch, kind, triton, programs, message):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if triton else None)

    class OnDevice:
        def parameters(self):
            yield SimpleNamespace(device=torch.device(kind))

    with pytest.raises(ConfigError, match=rf"compile=True {message}.*: install .* or leave it out"):
        compile_parts(OnDevice())


def test_placing_reduces_what_is_done_per_object_only(tiny):
    model = build_model(load_config(tiny[0]))
    keys = {k for k in model.state_dict() if not k.startswith("backbone.")}
    place(model, CPU, Precision("bfloat16", torch.bfloat16))
    assert model.prop_head.pred2.weight.dtype == torch.bfloat16
    assert model.bbox_head.fc_cls.weight.dtype == torch.float32
    assert model.prop_head.RF2.convFS.weight.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for part in (model.backbone, model.neck) for p in part.parameters())
    assert all(p.dtype == torch.float32 for k, p in model.prop_head.named_parameters() if k.startswith("qry_"))
    assert [p.dtype for p in model.fast_neck[0].parameters()] == [torch.bfloat16] * len(list(model.neck.parameters()))
    # The copy is no part of the weights; the backbone has other names, being folded.
    assert {k for k in model.state_dict() if not k.startswith("backbone.")} == keys


def test_placing_chooses_the_convolutions(tiny, monkeypatch):
    monkeypatch.setattr(fast_conv, "MIN_CHANNELS", 16)  # those of the tiny network
    model = build_model(load_config(tiny[0]))
    state = copy.deepcopy(model.prop_head.state_dict())
    place(model, CPU, Precision("float32", torch.float32))
    assert isinstance(model.prop_head.RF2.ResMM.conv1, FastConv3x3)
    assert all(torch.equal(model.prop_head.state_dict()[k], v) for k, v in state.items())
    monkeypatch.setattr(shutil, "which", lambda name: name)
    compile_parts(model)  # compiles nothing before the first frame
    assert type(model.prop_head.RF2.ResMM.conv1) is nn.Conv2d
    assert not any(isinstance(m, FastConv3x3) for m in model.modules())


@pytest.mark.slow
def test_compiled_model_gives_the_same(tiny):
    from mmdet_vis.api import load_model, segment_video
    from tests.tiny import moving_frames

    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("torch.compile on the CPU needs a C++ compiler")
    plain = segment_video(load_model(*tiny, device="cpu"), moving_frames(3))
    compiled = segment_video(load_model(*tiny, device="cpu", compile=True), moving_frames(3))
    assert len(plain.sequences) == len(compiled.sequences)
    for a, b in zip(plain.sequences, compiled.sequences, strict=True):
        assert abs(a.score - b.score) < 1e-3
