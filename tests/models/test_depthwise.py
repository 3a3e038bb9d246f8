import copy

import pytest
import timm
import torch

from mmdet_vis.models.backbones import TimmBackbone
from mmdet_vis.models.backbones.depthwise import depthwise_in_float32


def network():
    torch.manual_seed(0)
    return timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2)).eval()


def gradients(net, autocast):
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = sum(level.float().square().mean() for level in net(image))
    return torch.autograd.grad(loss, [p for p in net.parameters() if p.requires_grad], allow_unused=True)


def test_without_autocast_nothing_changes():
    plain, changed = network(), network()
    assert depthwise_in_float32(changed) > 0
    assert list(plain.state_dict()) == list(changed.state_dict())
    for a, b in zip(gradients(plain, False), gradients(changed, False), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def test_depthwise_gradients_come_nearer_to_float32():
    plain, changed = network(), network()
    depthwise_in_float32(changed)
    truth, rounded, better = gradients(plain, False), gradients(plain, True), gradients(changed, True)
    used = [i for i, g in enumerate(truth) if g is not None]
    errors = [
        sum(float((found[i].float() - truth[i]).norm() / truth[i].norm().clamp(min=1e-12)) for i in used)
        for found in (rounded, better)
    ]
    assert errors[1] < errors[0]


def test_activations_stay_in_bfloat16():
    net = network()
    depthwise_in_float32(net)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(level.dtype == torch.bfloat16 for level in net(torch.rand(1, 3, 64, 64)))


@pytest.mark.parametrize("autocast", [False, True])
def test_a_copy_uses_its_own_weights(autocast):
    net = network()
    depthwise_in_float32(net)
    other = copy.deepcopy(net)
    for parameter in other.parameters():
        parameter.data.zero_()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert not any(level.any() for level in other(torch.rand(1, 3, 64, 64)))


def test_twice_is_once():
    net = network()
    assert depthwise_in_float32(net) == depthwise_in_float32(net)
    kinds = {type(m).__name__ for m in net.modules()}
    assert not any(kind.startswith("Float32Float32") for kind in kinds)


def test_fused_convolutions_keep_their_padding():
    torch.manual_seed(0)
    plain = TimmBackbone("mobilenetv2_100", pad_type="same").eval()
    changed = copy.deepcopy(plain)
    assert depthwise_in_float32(changed) > 0
    image = torch.randn(1, 3, 64, 96)
    expected = plain(image)
    changed.fold_batch_norm()
    changed.fuse()
    for a, b in zip(changed(image), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
