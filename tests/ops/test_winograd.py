"""The convolution with fewer multiplications against the direct one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdet_vis.ops import winograd
from mmdet_vis.ops.winograd import conv3x3, transform_kernel, transforms


def case(number, channels, out_channels, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, channels, height, width, generator=generator)
    weight = torch.randn(out_channels, channels, 3, 3, generator=generator) / (9 * channels) ** 0.5
    return x, weight, torch.randn(out_channels, generator=generator)


def direct(x, weight, bias):
    return F.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=1)


def error(found, expected):
    """Root mean square of the difference; the outputs of `case` without bias have one of about 1."""
    return float((found.double() - expected).square().mean().sqrt())


def test_one_dimension_is_exact():
    output, kernel, signal = transforms()
    generator = np.random.default_rng(0)
    taps, inputs = generator.normal(size=3), generator.normal(size=6)
    expected = [float(taps @ inputs[i : i + 3]) for i in range(4)]
    assert np.allclose(output @ ((kernel @ taps) * (signal @ inputs)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("number", "channels", "out_channels", "height", "width"),
    [
        (1, 8, 8, 4, 4),
        (1, 1, 3, 1, 1),  # one pixel: all but the middle tap is padding
        (2, 5, 3, 7, 10),  # neither a multiple of the tile
        (1, 4, 6, 3, 17),
        (3, 16, 8, 45, 80),
        (1, 128, 128, 23, 40),
    ],
)
def test_against_the_direct_convolution(number, channels, out_channels, height, width):
    x, weight, bias = case(number, channels, out_channels, height, width)
    found = conv3x3(x, transform_kernel(weight), bias)
    assert found.shape == (number, out_channels, height, width)
    assert found.dtype == torch.float32
    assert error(found, direct(x, weight, bias)) < 2e-6


def test_is_no_worse_than_a_few_times_the_direct_rounding():
    x, weight, _ = case(1, 256, 256, 32, 32)
    exact = direct(x, weight, None)
    own, rounding = (
        error(conv3x3(x, transform_kernel(weight), None), exact),
        error(F.conv2d(x, weight, padding=1), exact),
    )
    assert own < 10 * rounding


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_options(layout, relu, with_bias):
    x, weight, bias = case(2, 6, 7, 9, 13)
    kept = x.clone()
    x = x.contiguous(memory_format=layout)
    found = conv3x3(x, transform_kernel(weight), bias if with_bias else None, relu)
    expected = direct(F.relu(x) if relu else x, weight, bias if with_bias else None)
    assert error(found, expected) < 2e-6
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, kept)  # the input is not overwritten


@pytest.mark.parametrize("constant", ["TILES_PER_THREAD", "BUFFER_BYTES"])
@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_bands_and_batches_do_not_show(monkeypatch, limit, constant):
    """Whatever number of tiles is under way at once, the same comes out."""
    x, weight, bias = case(5, 4, 6, 18, 11)
    expected = direct(x, weight, bias)
    monkeypatch.setattr(winograd, constant, limit if constant == "TILES_PER_THREAD" else limit * 36 * 6 * 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert error(conv3x3(x, transform_kernel(weight), bias), expected) < 2e-6
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("shape", [(0, 4, 8, 8), (2, 4, 0, 8), (2, 4, 8, 0)])
def test_nothing_in_nothing_out(shape):
    _, weight, bias = case(1, 4, 6, 1, 1)
    assert conv3x3(torch.zeros(shape), transform_kernel(weight), bias).shape == (shape[0], 6, *shape[2:])


def test_a_view_of_a_larger_tensor():
    x, weight, bias = case(3, 4, 4, 12, 12)
    part = x[1:, :, 2:9, 1:10]
    assert error(conv3x3(part, transform_kernel(weight), bias), direct(part, weight, bias)) < 2e-6


def test_not_finite_values_stay_seen():
    """A broken input must not come out as a plausible number."""
    x, weight, bias = case(1, 4, 4, 8, 8)
    x[0, 0, 4, 4] = float("nan")
    found = conv3x3(x, transform_kernel(weight), bias)
    assert torch.isnan(found[0, :, 3:6, 3:6]).all()
