"""Proposers by name: what a command line or a config says, and what is built of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet_vis.errors import ConfigError, option
from mmdet_vis.propose_reduce.proposer import Proposer
from mmdet_vis.registry import PROPOSERS, build_part

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


def build_proposer(part: Proposer | Mapping[str, Any] | str, where: str = "proposer") -> Proposer | None:
    """Build a proposer.

    Args:
        part: one, which comes back; a section of a config, ``dict(type=NAME, ...)``; or what :func:`parse_proposer`
            takes.
        where: what messages call it.

    Returns:
        it, or None for the network's own detection.

    Raises:
        ConfigError: there is no such proposer (the nearest is named), it cannot be built, its library is missing, or it
            has no ``propose`` and ``categories``.
        CheckpointError: its weights cannot be read or fetched.
    """
    section = parse_proposer(part) if isinstance(part, str) else part
    if section is None or (isinstance(section, Mapping) and section.get("type") == NETWORK):
        return None
    proposer = build_part(PROPOSERS, section, where) if isinstance(section, Mapping) else section
    names = getattr(proposer, "categories", None)
    if not callable(getattr(proposer, "propose", None)) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f"{where}: a {type(proposer).__name__} is no proposer: it needs categories (names) and propose(images, "
            "places), see docs/proposers.md"
        )
    built: Proposer = proposer
    return built


def missing_package(name: str) -> ConfigError:
    """The error for a library that is not installed; its extra has the same name."""
    return ConfigError(f"{option('proposer', name)} needs the package {name}: pip install {name}")
