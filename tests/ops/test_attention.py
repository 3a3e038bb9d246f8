"""The memory read and its kernels."""

from __future__ import annotations

import pytest
import torch

from mmdet_vis.ops.attention import FUSED_FROM, read_fused_padded, read_memory, read_plain


@pytest.fixture
def memory():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(24, 16, generator=generator)
    keys = torch.randn(3, 24 * (FUSED_FROM + 1), 16, generator=generator)
    values = torch.randn(3, 24 * (FUSED_FROM + 1), 40, generator=generator)
    return query, keys, values


def test_against_the_formula(memory):
    query, keys, values = memory
    for i in range(3):
        weights = torch.exp(query @ keys[i].t() / 4)
        expected = (weights / weights.sum(dim=1, keepdim=True)) @ values[i]
        assert torch.allclose(read_plain(*memory)[i], expected, atol=1e-5)


def test_fused_equals_plain(memory):
    assert (read_fused_padded(*memory) - read_plain(*memory)).abs().max() < 1e-5


@torch.no_grad()
def test_choice_by_length(memory):
    query, keys, values = memory
    short = query, keys[:, :24], values[:, :24]
    assert torch.equal(read_memory(*short), read_plain(*short))
    assert torch.equal(read_memory(*memory), read_fused_padded(*memory))


def test_gradients_flow(memory):
    query, keys, values = (x.clone().requires_grad_() for x in memory)
    read_memory(query, keys, values).sum().backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in (query, keys))
