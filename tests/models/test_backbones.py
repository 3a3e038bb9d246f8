"""Backbones, and that a config swaps them with one edit."""

from __future__ import annotations

import pytest
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.errors import ConfigError
from mmdet_vis.models.backbones import ResNet, ResNeXt, TimmBackbone
from tests.tiny import moving_frames

TIMM_CONFIG = "configs/SeqMaskRCNN/seq_mask_rcnn_timm_efficientnet_lite0_fpn_youtubevis19.py"


def test_resnet_stages_and_frozen_parts():
    backbone = ResNet(depth=50)
    stages = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(s.shape[1:]) for s in stages] == [(256, 16, 24), (512, 8, 12), (1024, 4, 6), (2048, 2, 3)]
    assert not backbone.conv1.weight.requires_grad
    assert not backbone.layer1[0].conv1.weight.requires_grad
    assert backbone.layer2[0].conv1.weight.requires_grad


def test_batch_norm_stays_in_evaluation():
    for backbone in (ResNet(depth=50), TimmBackbone("resnet10t")):
        backbone.train()
        norms = [m for m in backbone.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        assert norms
        assert not any(m.training for m in norms)


def test_resnext_is_64x4d():
    with torch.device("meta"):
        backbone = ResNeXt()
    assert backbone.layer1[0].conv2.weight.shape == (256, 4, 3, 3)
    assert len(backbone.layer3) == 23


def test_unknown_depth_and_unknown_timm_model():
    with pytest.raises(ValueError, match="50, 101"):
        ResNet(depth=18)
    with pytest.raises(ConfigError, match="efficientnet_b0"):
        TimmBackbone("eficientnet_b0")
    with pytest.raises(ConfigError, match="strides 4, 8, 16 and 32"):
        TimmBackbone("vit_tiny_patch16_224")


def test_transformer_backbone_with_channels_last_output():
    """At 384 rows the first stage has as many rows as channels: the layout cannot be guessed from the shape."""
    backbone = TimmBackbone("swin_tiny_patch4_window7_224", img_size=(384, 640)).eval()
    with torch.no_grad():
        stages = backbone(torch.zeros(1, 3, 384, 640))
    assert [tuple(s.shape[1:]) for s in stages] == [(96, 96, 160), (192, 48, 80), (384, 24, 40), (768, 12, 20)]


@pytest.mark.parametrize(("name", "kind"), [("tf_efficientnet_lite0", "blocks.1."), ("resnet10t", "layer1.")])
def test_frozen_stages_of_timm(name, kind):
    frozen = {n for n, p in TimmBackbone(name, frozen_stages=1).body.named_parameters() if not p.requires_grad}
    free = {n for n, p in TimmBackbone(name, frozen_stages=1).body.named_parameters() if p.requires_grad}
    assert any(n.startswith(kind) for n in frozen)
    assert not any(n.startswith(kind) for n in free)
    assert any(n.startswith(("blocks.2.", "layer2.")) for n in free)
    assert all(p.requires_grad for p in TimmBackbone(name).body.parameters())


@pytest.mark.parametrize("number", [9, 5, -2, "1", True])
def test_stages_that_a_backbone_does_not_have(number):
    for make in (lambda: TimmBackbone("resnet10t", frozen_stages=number), lambda: ResNet(frozen_stages=number)):
        with pytest.raises(ConfigError, match=f"frozen_stages={number!r} must be a whole number from 0 to 4"):
            make()
    with torch.device("meta"):
        assert not any(p.requires_grad for p in ResNet(frozen_stages=4).parameters())


def test_config_with_a_timm_backbone_builds_and_runs(repository):
    model = load_model(repository / TIMM_CONFIG, device="cpu", cfg_options={"data_preprocessor.img_scale": (96, 64)})
    network = model.network
    assert network.neck.lateral_convs[0].conv.in_channels == network.backbone.out_channels[0]
    assert network.prop_head.RF3.convFS.in_channels == network.backbone.out_channels[1]
    assert segment_video(model, moving_frames(2)).num_frames == 2


def test_neck_channels_can_be_told(repository):
    config = repository / "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
    from mmdet_vis.config.load import build_model, load_config

    with torch.device("meta"):
        model = build_model(load_config(config, {"model.neck.in_channels": [8, 16, 32, 64]}))
    assert model.neck.lateral_convs[3].conv.in_channels == 64


FOLDABLE = {
    "ResNet": lambda: ResNet(depth=50),
    "lite0": lambda: TimmBackbone("tf_efficientnet_lite0"),
    "mobilenetv3": lambda: TimmBackbone("mobilenetv3_small_050"),
    "efficientnetv2": lambda: TimmBackbone("efficientnetv2_rw_t"),
    "resnet10t": lambda: TimmBackbone("resnet10t"),
    "resnet26d": lambda: TimmBackbone("resnet26d"),
}
LEFT = {"resnet10t": 1, "resnet26d": 1}
"""Normalisations that stay: the one after a deep stem."""


@pytest.mark.parametrize("name", FOLDABLE)
def test_folded_batch_norm_gives_the_same_features(name):
    torch.manual_seed(0)
    backbone = FOLDABLE[name]().eval()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.1, 0.5)
            torch.nn.init.normal_(module.bias)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone(images)
        backbone.fold_batch_norm()
        found = backbone(images)
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in backbone.modules()) == LEFT.get(name, 0)
    for a, b in zip(expected, found, strict=True):
        assert a.std() > 0
        assert (a - b).abs().max() < 1e-5 * a.abs().max()


def test_unknown_blocks_are_not_folded():
    """ConvNeXt has no batch normalisation; preactivation blocks have it before the convolution."""
    for name in ("convnext_atto", "resnetv2_50"):
        backbone = TimmBackbone(name).eval()
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            expected = backbone(images)
            backbone.fold_batch_norm()
            assert all(torch.equal(a, b) for a, b in zip(expected, backbone(images), strict=True))


@pytest.mark.parametrize("name", ["dla34", "tf_efficientnet_lite0", "convnext_atto"])
def test_levels_have_the_declared_strides(name):
    """Also where timm's list of levels does not begin with the first (dla34)."""
    backbone = TimmBackbone(name).eval()
    with torch.no_grad():
        levels = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(backbone.out_channels, backbone.strides, strict=True)
    ]


@pytest.mark.parametrize(
    "options", [{"model_name": "mobilenetv2_100", "pad_type": "same"}, {"model_name": "tf_efficientnet_lite0"}]
)
def test_fused_convolutions_compute_the_same(options):
    torch.manual_seed(0)
    backbone = TimmBackbone(**options).eval()
    for norm in backbone.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = backbone(images)
        backbone.fold_batch_norm()
        count = backbone.fuse()
        found = backbone(images)
    assert count > 30
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4 * float(b.abs().max()))


def test_fused_convolution_refuses_sizes_that_its_padding_is_not_made_for():
    backbone = TimmBackbone("mobilenetv2_100", pad_type="same").eval()
    backbone.fold_batch_norm()
    backbone.fuse()
    with torch.no_grad(), pytest.raises(ValueError, match="even sizes"):
        backbone(torch.zeros(1, 3, 63, 96))
