"""Numbers of a config that would ask for absurd amounts of memory or time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet_vis.errors import ConfigError

MAX_WHOLE = 2**16
"""Whole numbers of a model: channels, layers, numbers of objects."""
MAX_LAYERS = {"num_convs": 2**8}
"""Of what is built layer by layer, by key."""
MAX_SIDE = 2**13
"""Side of the frames that the network sees, in pixels."""
MAX_DIVISOR = 2**10


def check_sizes(config: Mapping[str, Any], file: str) -> None:
    """Check that no number of a config that is data asks for absurd amounts of memory or time.

    Args:
        config: plain dicts, lists and tuples.
        file: for messages.

    Raises:
        ConfigError: a whole number is too large.
    """
    preprocessor = config.get("data_preprocessor")
    limits = {"img_scale": MAX_SIDE, "size_divisor": MAX_DIVISOR}
    if isinstance(preprocessor, Mapping):
        for key, most in limits.items():
            check_wholes(preprocessor.get(key), f"data_preprocessor.{key}", most, file)
    check_wholes(config, "", MAX_WHOLE, file)


def check_wholes(node: Any, where: str, most: int, file: str) -> None:
    """Check the whole numbers below a node of a config; ``where`` is its place.

    Raises:
        ConfigError: one is larger than ``most``.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            limit = min(most, MAX_LAYERS.get(str(key), most))
            check_wholes(value, f"{where}.{key}" if where else str(key), limit, file)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            check_wholes(value, f"{where}[{index}]", most, file)
    elif isinstance(node, int) and abs(node) > most:
        raise ConfigError(f"{file}: {where}={str(node)[:40]} is refused: more than {most}")
