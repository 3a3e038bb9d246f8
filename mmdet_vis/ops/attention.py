"""The memory read: attention of a frame's positions over all remembered positions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FUSED_FROM = 4
"""On the CPU the fused kernel wins once the memory has this many times the positions of the query: before, the padding
of the keys that it needs costs more than the affinity matrix that it avoids (``benchmarks/attention.py``)."""

PLAIN_BYTES = 64 * 2**20
"""Affinities that the plain products hold at once."""


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


def read_plain(query: Tensor, keys: Tensor, values: Tensor, limit: int = PLAIN_BYTES) -> Tensor:
    """:func:`read_memory` as two batched products with the affinity matrix between them.

    Args:
        query, keys, values: of :func:`read_memory`.
        limit: bytes of affinities held at once, as long as one query of one object fits: objects are read in groups,
            and the queries of one object too if need be. While gradients are recorded all affinities are kept anyway.
    """
    query = query / math.sqrt(query.shape[1])
    lines = max(1, limit // (keys.shape[1] * keys.element_size()))  # a line: affinities of one query of one object
    objects = max(1, lines // len(query))
    read = []
    for some_keys, some_values in zip(keys.split(objects), values.split(objects), strict=True):
        parts = [
            torch.matmul(torch.matmul(some, some_keys.transpose(1, 2)).softmax(dim=2), some_values)
            for some in query.split(lines)
        ]
        read.append(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
    return read[0] if len(read) == 1 else torch.cat(read)


def read_fused_padded(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """:func:`read_memory` with the fused CPU kernel; it wants keys as wide as the values: zeros change no product.

    One object is read after the other, so that one object's memory is padded at a time, not everybody's.
    """
    scale = 1.0 / math.sqrt(query.shape[1])
    padding = values.shape[2] - query.shape[1]
    padded = F.pad(query, (0, padding))[None, None]
    read = values.new_empty((len(keys), len(query), values.shape[2]))
    for target, k, v in zip(read, keys, values, strict=True):
        k = F.pad(k, (0, padding))[None, None]
        target.copy_(F.scaled_dot_product_attention(padded, k, v[None, None], scale=scale)[0, 0])
    return read
