"""How many stages of a backbone are not trained."""

from __future__ import annotations

from mmdet_vis.errors import ConfigError

STAGES = 4


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
