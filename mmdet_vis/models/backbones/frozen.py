"""What of a backbone is not trained: its first stages, and batch normalisation."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from mmdet_vis.errors import ConfigError

STAGES = 4
T = TypeVar("T", bound="NormEvalMixin")


def check_frozen_stages(number: object) -> None:
    """Check ``frozen_stages``: from -1, or 0, for none up to all four.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number <= STAGES:
        raise ConfigError(
            f"model.backbone.frozen_stages={number!r} must be a whole number from 0 to {STAGES}, the stages of a "
            "backbone (-1: a ResNet's stem is trained, too)"
        )


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
