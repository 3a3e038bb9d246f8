import json
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.config.load import load_config
from mmdet_vis.errors import CheckpointError, ConfigError
from mmdet_vis.weights import find
from mmdet_vis.weights.find import default_weights
from mmdet_vis.weights.model_file import CONFIG_KEY, embedded_config, export_model
from tests import programs
from tests.tiny import moving_frames

ROOT = Path(__file__).resolve().parents[2]


def masks(result):
    return [(s.label, s.score, s.masks) for s in result.sequences]


def test_a_model_file_needs_no_config(tiny, tmp_path):
    config, weights = tiny
    target = tmp_path / "model.safetensors"
    assert export_model(load_config(config), weights, target) == target.stat().st_size
    frames = moving_frames(4)
    expected = segment_video(load_model(config, weights, device="cpu"), frames)
    found = segment_video(load_model(weights=target, device="cpu"), frames)
    assert expected.sequences
    assert masks(found) == masks(expected)
    assert found.categories == expected.categories
    changed = load_model(weights=target, device="cpu", cfg_options={"propose_reduce.key_num": 2})
    assert changed.config.propose_reduce.key_num == 2


def test_half_takes_half(tiny, tmp_path):
    config, weights = tiny
    whole = export_model(load_config(config), weights, tmp_path / "a.safetensors")
    half = export_model(load_config(config), weights, tmp_path / "b.safetensors", half=True)
    assert half < 0.6 * whole
    a, b = (load_model(weights=tmp_path / name, device="cpu") for name in ("a.safetensors", "b.safetensors"))
    for (key, x), y in zip(a.network.state_dict().items(), b.network.state_dict().values(), strict=True):
        assert y.dtype == x.dtype
        assert torch.allclose(x, y, rtol=2e-3, atol=1e-5), key


def test_weights_too_large_for_half(tiny, tmp_path):
    config, weights = tiny
    state = safetensors.torch.load_file(weights)
    state["rpn_head.rpn_reg.weight"] = state["rpn_head.rpn_reg.weight"] + 1e6
    safetensors.torch.save_file(state, tmp_path / "large.safetensors")
    with pytest.raises(CheckpointError, match="too large for float16"):
        export_model(load_config(config), tmp_path / "large.safetensors", tmp_path / "b.safetensors", half=True)
    assert not (tmp_path / "b.safetensors").exists()


def test_weights_without_config(tiny, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    for path in (tiny[1], tmp_path / "a.pth"):
        with pytest.raises(ConfigError, match="carries no config"):
            load_model(weights=path)


@pytest.mark.parametrize("text", ["{", "3", "[]", '{"model": 3}', "[" * 100_000])
def test_a_damaged_config(tiny, tmp_path, text):
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, {CONFIG_KEY: text})
    with pytest.raises(ConfigError, match=r"a\.safetensors"):
        load_model(weights=path)


def test_a_cut_file(tiny, tmp_path):
    path = tmp_path / "model.safetensors"
    export_model(load_config(tiny[0]), tiny[1], path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        embedded_config(path)


def test_the_default_model_is_found_or_named(tmp_path, monkeypatch):
    assert default_weights() == ROOT / "pretrained" / find.DEFAULT_NAME
    monkeypatch.setattr(find, "DEFAULT_NAME", "nothing.safetensors")
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors is not in"):
        default_weights()


def test_the_tool(tiny, tmp_path):
    def run(*arguments):
        command = [sys.executable, ROOT / "tools/export_model.py", *arguments]
        return programs.run(list(map(str, command)), capture_output=True, text=True)

    done = run(*tiny, tmp_path / "m.safetensors", "--half", "--cfg-options", "propose_reduce.key_num=4")
    assert done.returncode == 0, done.stderr
    assert embedded_config(tmp_path / "m.safetensors").propose_reduce.key_num == 4
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert "train_cfg" not in json.loads(file.metadata()[CONFIG_KEY])["model"]
    wrong = run(*tiny, tmp_path / "m.pth")
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
