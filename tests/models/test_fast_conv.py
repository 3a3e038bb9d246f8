"""Which convolutions of a network are done with fewer multiplications, and when."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from mmdet_vis.models import fast_conv
from mmdet_vis.models.fast_conv import FastConv3x3, fits, pending_bytes, use_direct_convolutions, use_fast_convolutions
from mmdet_vis.models.layers import ResBlock


def conv(channels=128, out_channels=128, seed=0, **options):
    torch.manual_seed(seed)
    return nn.Conv2d(channels, out_channels, **{"kernel_size": 3, "padding": 1, **options})


def hooked(module):
    module.register_forward_hook(lambda *_: None)
    return module


def image(channels=128, side=32, number=1):
    return torch.randn((number, channels, side, side), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the inputs that took the faster way."""
    seen = []
    original = fast_conv.conv3x3

    def noted(x, *rest):
        seen.append(tuple(x.shape))
        return original(x, *rest)

    monkeypatch.setattr(fast_conv, "conv3x3", noted)
    return seen


def test_fits():
    assert fits(conv())
    assert fits(conv(bias=False))


@pytest.mark.parametrize(
    "other",
    [
        conv(channels=64),
        conv(out_channels=64),
        conv(kernel_size=1, padding=0),
        conv(stride=2),
        conv(padding=0),
        conv(dilation=2, padding=2),
        conv(groups=2),
        conv(padding_mode="reflect"),
        conv().to(torch.bfloat16),
        nn.Linear(128, 128),
        nn.utils.parametrizations.weight_norm(conv()),
        hooked(conv()),
    ],
    ids=lambda module: f"{type(module).__name__}-{getattr(module, 'weight', torch.empty(0)).dtype}",
)
def test_does_not_fit(other):
    assert not fits(other)


def network():
    torch.manual_seed(0)
    return nn.Sequential(ResBlock(128, 256), nn.Sequential(conv(256, 128), nn.ReLU()), conv(128, 8)).eval()


@torch.no_grad()
def test_swap_and_back():
    net = network()
    state, expected = copy.deepcopy(net.state_dict()), net(image())
    use_fast_convolutions(net)
    assert sum(isinstance(m, FastConv3x3) for m in net.modules()) == 4  # all but the one of 8 channels
    assert list(net.state_dict()) == list(state)
    assert all(torch.equal(net.state_dict()[k], v) for k, v in state.items())
    fast = net(image())
    assert not torch.equal(fast, expected)
    assert torch.allclose(fast, expected, atol=1e-5)
    use_direct_convolutions(net)
    assert not any(isinstance(m, FastConv3x3) for m in net.modules())
    assert list(net.state_dict()) == list(state)
    assert torch.equal(net(image()), expected)


@torch.no_grad()
def test_relu_goes_with_the_convolution(calls):
    block = ResBlock(128, 128).eval()
    x = image()
    expected = block(x)
    use_fast_convolutions(block)
    kept = x.clone()
    assert torch.allclose(block(x), expected, atol=1e-5)
    assert torch.equal(x, kept)
    assert len(calls) == 2


@torch.no_grad()
def test_small_maps_are_direct(calls):
    fast = FastConv3x3.of(conv())
    small = image(side=16)
    assert torch.equal(fast(small), conv()(small))
    assert calls == []
    fast(image(side=16, number=8))
    assert calls == [(8, 128, 16, 16)]


def test_gradients_take_the_direct_way(calls):
    fast, plain = FastConv3x3.of(conv()), conv()
    for module in (fast, plain):
        module(image()).square().mean().backward()
    assert calls == []
    assert torch.equal(fast.weight.grad, plain.weight.grad)


@torch.no_grad()
def test_changed_weights_are_seen():
    fast = FastConv3x3.of(conv())
    fast(image())
    fast.load_state_dict(conv(seed=5).state_dict())
    assert torch.allclose(fast(image()), conv(seed=5)(image()), atol=1e-5)
    fast.weight = nn.Parameter(conv(seed=6).weight.detach().clone())
    fast.bias = conv(seed=6).bias
    assert torch.allclose(fast(image()), conv(seed=6)(image()), atol=1e-5)


@torch.no_grad()
def test_casts_and_moves_make_the_kernel_anew():
    fast = FastConv3x3.of(conv())
    fast(image())
    assert fast.pending_bytes() == 0
    fast.to(torch.bfloat16).to(torch.float32)
    assert fast.pending_bytes() == 4 * 4 * 128 * 128 * 9
    assert torch.allclose(fast(image()), conv().to(torch.bfloat16).float()(image()), atol=1e-5)


@torch.no_grad()
def test_copies_and_pickles_leave_the_kernel():
    fast = FastConv3x3.of(conv())
    expected = fast(image())
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert other._kernel is None
        assert torch.equal(other(image()), expected)
    assert fast._kernel is not None
    assert pending_bytes(nn.Sequential(fast, nn.Sequential(copy.deepcopy(fast)))) == 4 * 4 * 128 * 128 * 9


def test_inference_mode(calls):
    with torch.inference_mode():
        fast = FastConv3x3.of(conv())
        assert torch.allclose(fast(image()), conv()(image()), atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(fast(image()), conv()(image()), atol=1e-5)
    assert len(calls) == 2


def test_mode_is_kept():
    net = network()
    use_fast_convolutions(net)
    assert not any(m.training for m in net.modules())
    use_direct_convolutions(net)
    assert not any(m.training for m in net.modules())


@torch.no_grad()
def test_a_cast_network_is_direct(calls):
    fast = FastConv3x3.of(conv())
    fast(image())
    half = copy.deepcopy(fast).to(torch.bfloat16)
    x = image().to(torch.bfloat16)
    assert torch.equal(half(x), conv().to(torch.bfloat16)(x))
    assert len(calls) == 1


@torch.no_grad()
def test_many_threads_are_direct(calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "MAX_THREADS", 0)
    FastConv3x3.of(conv())(image())
    assert calls == []
