"""The command line of convert_checkpoint with formats: what it prints, and its errors."""

from __future__ import annotations

import sys

import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.errors import CheckpointError
from mmdet_vis.weights.checkpoint import load_checkpoint, read_state_dict
from mmdet_vis.weights.convert import FORMATS, convert_weights
from tests import programs


@pytest.fixture(scope="module")
def run(repository):
    def run(*args):
        command = [sys.executable, str(repository / "tools/convert_checkpoint.py"), *map(str, args)]
        return programs.run(command, capture_output=True, text=True)

    return run


def test_report(run, tiny, tmp_path):
    state = read_state_dict(tiny[1])
    del state["neck.lateral_convs.0.conv.bias"]
    state["prop_head.conv_logits.weight"] = torch.zeros(4, 16, 1, 1)
    state["extra.weight"] = torch.zeros(1)
    state["rpn_head.rpn_conv.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "a.pth")
    done = run(tmp_path / "a.pth", tmp_path / "b.safetensors", "--from", "published", "--config", tiny[0])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["part", "used", "dropped", "left", "at", "random"]
    table = {line.split()[0]: [int(n) for n in line.split()[1:]] for line in lines[1 : lines.index("")]}
    parts = [name.partition(".")[0] for name in read_state_dict(tiny[1])]
    assert table == {
        "backbone": [parts.count("backbone"), 0, 0],
        "neck": [parts.count("neck") - 1, 0, 1],
        "rpn_head": [parts.count("rpn_head") - 1, 1, 1],
        "bbox_head": [parts.count("bbox_head"), 0, 0],
        "mask_head": [parts.count("mask_head"), 0, 0],
        "prop_head": [parts.count("prop_head"), 0, 0],
        "extra": [0, 1, 0],
        "(elsewhere)": [0, 1, 0],
        "total": [len(parts) - 2, 3, 2],
    }
    text = done.stdout
    assert "dropped (no forward pass uses it): 1\n  prop_head.conv_logits: weight\n" in text
    assert "dropped (of another shape than the model's): 1\n  rpn_head.rpn_conv: bias\n" in text
    assert "left at random: 2\n  neck.lateral_convs.0.conv: bias\n  rpn_head.rpn_conv: bias\n" in text
    assert text.endswith(f"b.safetensors: {len(parts) - 2} tensors\n")
    assert len(read_state_dict(tmp_path / "b.safetensors")) == len(parts) - 2


def test_errors_are_one_line(run, tiny, tmp_path):
    for args, message in (
        (("--from", "mmdet", "--config", tiny[0]), "nothing in it fits --from mmdet; it looks like --from published"),
        (("--classes", "1,2"), "say which format to convert: add --from, --to, or both"),
    ):
        failed = run(tiny[1], tmp_path / "b.pth", *args)
        assert (failed.returncode, failed.stdout) == (2, "")
        assert failed.stderr.startswith("error: ")
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_help_names_every_format(run):
    text = run("--help").stdout
    assert all(f"\n  {name} " in text for name in FORMATS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which model is it for\\? name its config with config"),
        ({"target_format": "timm"}, "timm can only be read; use target_format ours, published, torchvision, mmdet"),
        ({"config": 0, "classes": ["1"], "drop_classes": True}, "contradict each other"),
        ({"config": 0, "target": "b.onnx"}, "its name must end in .safetensors, .pth, .pt"),
        ({"config": 0, "target": "a.pth"}, "it is the checkpoint to convert; choose another name"),
        ({"config": 0, "source": "none.pth"}, "none.pth does not exist"),
        ({"config": 0, "source": "neck.pth", "classes": ["1"]}, "no classifier to choose classes from"),
    ],
)
def test_refused(tiny, tmp_path, options, message):
    state = read_state_dict(tiny[1])
    torch.save(state, tmp_path / "a.pth")
    torch.save({k: v for k, v in state.items() if k.startswith(("backbone.", "neck."))}, tmp_path / "neck.pth")
    before = sorted(tmp_path.iterdir())
    source, target = (tmp_path / options.pop(key, name) for key, name in (("source", "a.pth"), ("target", "b.pth")))
    if "config" in options:
        options["config"] = tiny[0]
    with pytest.raises(CheckpointError, match=message):
        convert_weights(source, target, "ours", **options)
    assert sorted(tmp_path.iterdir()) == before


def test_classes_of_our_own_checkpoint(tiny, tmp_path):
    """Fewer categories of a trained model, as a whole checkpoint of its own config."""
    config = tmp_path / "fewer.py"
    config.write_text(
        f'_base_ = "{tiny[0].as_posix()}"\ncategories = ["bird", "cat"]\n'
        "model = dict(bbox_head=dict(num_classes=3), mask_head=dict(num_classes=3))\n"
    )
    report = convert_weights(tiny[1], tmp_path / "w.safetensors", "ours", config=config, classes=["3", "1"])
    assert not report.dropped
    assert not report.random
    assert not report.notes
    model = build_model(load_config(config))
    load_checkpoint(model, tmp_path / "w.safetensors")
    whole = read_state_dict(tiny[1])
    assert torch.equal(model.bbox_head.fc_cls.weight, whole["bbox_head.fc_cls.weight"][[0, 3, 1]])
    assert torch.equal(model.bbox_head.fc_reg.bias, whole["bbox_head.fc_reg.bias"].reshape(4, 4)[[0, 3, 1]].flatten())
