"""Readers that do what none may do, for the tests of the fuzzer itself."""

from __future__ import annotations

import ctypes
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from mmdet_vis.errors import SourceError
from tests.reliability.fuzzing.reader import Reader


def _make(rng: random.Random, folder: Path, templates: Path) -> str:
    (folder / "input").write_text(str(rng.randrange(10**9)))
    return "a number"


def _good(folder: Path) -> None:
    int((folder / "input").read_text())


def _error(folder: Path) -> None:
    raise SourceError(f"{folder}/input: is no good; replace it")


def _vague(folder: Path) -> None:
    raise SourceError("bad input")


def _traceback(folder: Path) -> None:
    raise KeyError("x")


def _exits(folder: Path) -> None:
    raise SystemExit(0)


def _crash(folder: Path) -> None:
    ctypes.string_at(0)


def _vanish(folder: Path) -> None:
    os._exit(0)


def _hang(folder: Path) -> None:
    time.sleep(1000)


def _memory(folder: Path) -> None:
    bytearray(b"x" * (200 * 2**20))


def _endless_memory(folder: Path) -> None:
    bytearray(2**45)


def _broken_corpus(rng: random.Random, folder: Path, templates: Path) -> str:
    raise ValueError("no input")


_READ: dict[str, Callable[[Path], None]] = {
    "good": _good, "error": _error, "vague": _vague, "traceback": _traceback, "exits": _exits, "crash": _crash,
    "vanish": _vanish, "hang": _hang, "memory": _memory, "endless memory": _endless_memory,
}  # fmt: skip
READERS = {name: Reader(name, _make, read) for name, read in _READ.items()}
READERS["broken corpus"] = Reader("broken corpus", _broken_corpus, _good)


def prepare(folder: Path) -> None:
    """Nothing is needed."""
