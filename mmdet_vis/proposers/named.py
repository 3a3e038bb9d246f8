"""Proposers by name: what is built of what a command line or a config says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet_vis.config.read import NETWORK, parse_proposer
from mmdet_vis.data.categories import plain_name
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.propose_reduce.proposer import Proposer
from mmdet_vis.registry import PROPOSERS, build_part, file_of


def build_proposer(part: Proposer | Mapping[str, Any] | str) -> Proposer | None:
    """Build a proposer.

    Args:
        part: one, which comes back; a section of a config, ``dict(type=NAME, ...)``; or what :func:`parse_proposer`
            takes.

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
    proposer = build_part(PROPOSERS, section, "proposer") if isinstance(section, Mapping) else section
    names = getattr(proposer, "categories", None)
    if not callable(getattr(proposer, "propose", None)) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f"proposer: a {type(proposer).__name__} is no proposer: it needs categories (names) and propose(images, "
            "places), see docs/proposers.md"
        )
    built: Proposer = proposer
    return built


def proposed_categories(config: Mapping[str, Any], proposer: Proposer, own: tuple[str, ...]) -> tuple[str, ...]:
    """The categories of what a proposer finds, checked against how sequences are scored; ``own`` are the network's.

    Raises:
        ConfigError: the network is to score the sequences, and has other categories or none; or the config names a
            method that proposes by itself.
    """
    algorithm = config.get("propose_reduce") or {}
    if algorithm.get("method") is not None:
        raise ConfigError(
            f"{option('proposer')} is for Propose-Reduce, {file_of(config)} has propose_reduce.method="
            f"{algorithm['method']['type']}: leave one of them out"
        )
    names = tuple(proposer.categories)
    if algorithm.get("proposal_scores") != "network":
        return names
    if list(map(plain_name, names)) != list(map(plain_name, own)):
        raise ConfigError(
            "propose_reduce.proposal_scores='network': the proposer has other categories than the network: use "
            "'detections'"
        )
    return own


def missing_package(name: str) -> ConfigError:
    """The error for a library that is not installed; its extra has the same name."""
    return ConfigError(f"{option('proposer', name)} needs the package {name}: pip install {name}")
