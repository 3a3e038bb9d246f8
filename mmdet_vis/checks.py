"""Checks of arguments of the Python interface: what is wrong with one is one line that calls it by its name."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, cast

from mmdet_vis.choices import FORMATS
from mmdet_vis.errors import ConfigError, option


def check_path(argument: str, value: object, what: str = "a path") -> None:
    """Refuse what names no file. Raises :class:`ConfigError`: it is no text and no path, or empty."""
    if not isinstance(value, str | os.PathLike):
        raise ConfigError(f"{option(argument)} is of type {type(value).__name__}: give {what}")
    if value == "":
        raise ConfigError(f"{option(argument)} is empty: give {what}")


def short(value: object) -> str:
    """A value in a message: one line, cut where it is long."""
    return f"{' '.join(repr(value).split()):.40}"


def is_whole(value: object, least: float = -math.inf) -> bool:
    """Whether it is a whole number, of Python or NumPy, from ``least`` on; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def check_whole(argument: str, value: object, least: int) -> None:
    """Refuse what is no whole number from ``least`` on. Raises :class:`ConfigError`."""
    if not is_whole(value, least):
        raise ConfigError(f"{option(argument)} must be at least {least} and a whole number, got {short(value)}")


def check_number(argument: str, value: object, low: float = 0, high: float = 1) -> None:
    """Refuse what is no number from ``low`` to ``high``, both included. Raises :class:`ConfigError`."""
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= cast(float, value) <= high:
        span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"from {low:g} on"
        raise ConfigError(f"{option(argument)} must be a number {span}, got {short(value)}")


def check_flag(argument: str, value: object) -> None:
    """Refuse what is neither true nor false, such as ``"no"``, which counts as true. Raises :class:`ConfigError`."""
    if type(value).__name__ not in ("bool", "bool_") and value not in (0, 1, None):
        raise ConfigError(f"{option(argument)} must be True or False, got {short(value)}")


def check_callable(argument: str, value: object) -> None:
    """Refuse what cannot be called; None is no function to call. Raises :class:`ConfigError`."""
    if value is not None and not callable(value):
        raise ConfigError(f"{option(argument)} is of type {type(value).__name__}: give a function, or leave it out")


def as_list(argument: str, value: Any, of: str) -> list[Any]:
    """The items of a list or another iterable.

    Raises:
        ConfigError: it is none, or a text or a dict, whose items are letters or keys.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(f"{option(argument)} is of type {type(value).__name__}: give a list of {of}")
    return list(value)


def in_order(formats: Iterable[str]) -> tuple[str, ...]:
    """The same formats, each once and always in the same order: how they are typed makes no other run."""
    chosen = set(formats)
    return (*(kind for kind in FORMATS if kind in chosen), *sorted(chosen.difference(FORMATS)))


def check_model(model: object) -> None:
    """Refuse what is no model. Raises :class:`ConfigError`."""
    if not hasattr(model, "preprocess"):
        raise ConfigError(f"model is of type {type(model).__name__}: give what load_model returned, then the video")
