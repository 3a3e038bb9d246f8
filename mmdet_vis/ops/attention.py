"""The memory read: attention of a frame's positions over all remembered positions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FUSED_FROM = 4
"""On the CPU the fused kernel wins once the memory has this many times the positions of the query: before, the padding
of the keys that it needs costs more than the affinity matrix that it avoids (``benchmarks/attention.py``)."""


def read_memory(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention of one set of queries over the memory of each object (paper section 3.2).

    Args:
        query: ``[Q, D]``, shared by all objects.
        keys: ``[N, S, D]``.
        values: ``[N, S, V]``.

    Returns:
        ``[N, Q, V]``: for each query the values, weighted by ``softmax(query . keys / sqrt(D))`` over the S positions.
    """
    if query.is_cuda:
        expanded = query[None, None].expand(len(keys), 1, -1, -1)
        return F.scaled_dot_product_attention(expanded, keys[:, None], values[:, None])[:, 0]
    if keys.shape[1] >= FUSED_FROM * query.shape[0] and not torch.is_grad_enabled():
        return read_fused_padded(query, keys, values)
    return read_plain(query, keys, values)


def read_plain(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """:func:`read_memory` as two batched products with the whole affinity matrix between them."""
    affinity = torch.matmul(query / math.sqrt(query.shape[1]), keys.transpose(1, 2))
    return torch.matmul(affinity.softmax(dim=2), values)


def read_fused_padded(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """:func:`read_memory` with the fused CPU kernel; it wants keys as wide as the values: zeros change no product."""
    scale = 1.0 / math.sqrt(query.shape[1])
    padding = values.shape[2] - query.shape[1]
    query, keys = F.pad(query, (0, padding)), F.pad(keys, (0, padding))
    expanded = query[None, None].expand(len(keys), 1, -1, -1)
    return F.scaled_dot_product_attention(expanded, keys[:, None], values[:, None], scale=scale)[:, 0]
