"""Backbones whose batch normalisation is not trained."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

T = TypeVar("T", bound="NormEvalMixin")


class NormEvalMixin:
    """Keeps batch normalisation of an ``nn.Module`` in evaluation mode while the rest trains.

    Batches of detectors are too small for statistics of their own. Name it before the module among the bases.

    Attributes:
        norm_eval: whether to.
    """

    norm_eval = True

    def train(self: T, mode: bool = True) -> T:
        """Switch to training; batch normalisation stays in evaluation mode under ``norm_eval``."""
        network: nn.Module = super().train(mode)  # type: ignore[misc]
        if mode and self.norm_eval:
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
