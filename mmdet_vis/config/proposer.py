"""Another detector as a command line names it; PyTorch is not needed to read that."""

from __future__ import annotations

from typing import Any

from mmdet_vis.errors import ConfigError, option

NETWORK = "network"
"""The name of the network's own detection, which is the default."""


def parse_proposer(text: str) -> dict[str, Any] | None:
    """A proposer as a command line names it: ``NAME`` or ``NAME:WEIGHTS`` (of ``files``, ``files:PATH``).

    Returns:
        the section of a config; None for ``network``.

    Raises:
        ConfigError: there is no name.
    """
    name, colon, rest = text.partition(":")
    if not name or (colon and not rest):
        raise ConfigError(f"{option('proposer', text)}: write NAME or NAME:WEIGHTS, such as torchvision")
    if name == NETWORK and not rest:
        return None
    return {"type": name, **({"path" if name == "files" else "weights": rest} if rest else {})}
