"""The memory read: attention of a frame's positions over all remembered positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def read_memory(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention of one set of queries over the memory of each object (paper section 3.2).

    Args:
        query: ``[Q, D]``, shared by all objects.
        keys: ``[N, S, D]``.
        values: ``[N, S, V]``.

    Returns:
        ``[N, Q, V]``: for each query the values, weighted by ``softmax(query . keys / sqrt(D))`` over the S positions.
    """
    scaled = query / math.sqrt(query.shape[1])
    affinity = torch.matmul(scaled, keys.transpose(1, 2))
    return torch.matmul(affinity.softmax(dim=2), values)
