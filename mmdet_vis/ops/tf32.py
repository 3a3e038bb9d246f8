"""Whether a GPU may round the factors of float32 products to tf32 (10 bits); PyTorch keeps it as a global switch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tf32_products(allowed: bool) -> Iterator[None]:
    """Allow or forbid tf32 in products and convolutions, as ``with tf32_products(...)`` or as a decorator.

    The switch is the process's: another thread that computes meanwhile sees it too. It is put back at the end.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
