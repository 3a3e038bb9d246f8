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


@pytest.mark.parametrize("limit", [1, 4 * 24 * 5 * 7, 4 * 24 * 5 * 24, 4 * 24 * 5 * 24 * 2])
def test_plain_products_in_parts(memory, limit):
    """One query, some queries, one object, two objects at a time."""
    assert memory[1].shape[1] == 24 * 5
    assert torch.allclose(read_plain(*memory, limit=limit), read_plain(*memory), atol=1e-6)


def test_parts_stay_below_the_limit(memory, monkeypatch):
    sizes, matmul = [], torch.matmul

    def spy(a, b):
        result = matmul(a, b)
        sizes.append(result.nbytes if b.shape[1] == a.shape[-1] == 16 else 0)  # the affinities, not the values read
        return result

    monkeypatch.setattr(torch, "matmul", spy)
    limit = 4 * 120 * 24 + 100  # one object and a little
    read_plain(*memory, limit=limit)
    assert limit / 2 < max(sizes) <= limit
    assert sum(sizes) == 4 * 120 * 24 * 3


def test_one_object_is_padded_at_a_time(memory, monkeypatch):
    sizes, pad = [], torch.nn.functional.pad

    def spy(x, widths):
        sizes.append(x.shape.numel())
        return pad(x, widths)

    monkeypatch.setattr(torch.nn.functional, "pad", spy)
    read_fused_padded(*memory)
    assert max(sizes) == memory[1][0].numel()
