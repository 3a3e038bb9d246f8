"""What a reader is to the fuzzer, and what several of them need."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.errors import UserError

SPECIAL = ("link loop", "pipe", "device", "broken link")


@dataclass(frozen=True)
class Reader:
    """A reader of the program, and a maker of damaged input for it.

    Attributes:
        make: writes an input into an empty folder, from random numbers and the folder of templates; returns its kind.
        read: reads what is in the folder; raises ``UserError`` for what the program cannot use.
    """

    name: str
    make: Callable[[random.Random, Path, Path], str]
    read: Callable[[Path], Any]


class Attempts:
    """Several ways to read one input: a clear error of one does not keep the others from their turn.

    Leaving the ``with`` block raises the error of the first way, if it had one, or that of any with ``every``.
    """

    def __init__(self, every: bool = False) -> None:
        self._every = every
        self._number = 0
        self._first: UserError | None = None

    @contextmanager
    def another(self) -> Iterator[None]:
        """Keep an error of the block for later."""
        self._number += 1
        try:
            yield
        except UserError as error:
            if self._every or self._number == 1:
                self._first = self._first or error

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._first is not None:
            raise self._first


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder of templates."""
    shutil.copytree(source, target, dirs_exist_ok=True)


def make_special(rng: random.Random, kind: str, path: Path) -> None:
    """Make one of :data:`SPECIAL` in place of a file, or an empty folder or file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem")))
    elif kind == "broken link":
        path.symlink_to(rng.choice(("nowhere/at/all.png", "/etc/passwd", "..")))
    elif kind == "link loop":
        path.symlink_to(path.name)
    elif rng.random() < 0.5:
        path.mkdir()
    else:
        path.write_bytes(rng.randbytes(rng.choice((0, 20))))
        path.chmod(rng.choice((0o000, 0o644, 0o200)))


def odd_name(rng: random.Random, ending: str) -> str:
    """A file name, now and then one that is unusual."""
    if rng.random() < 0.8:
        return f"input{ending}"
    stems = (
        b"\xff\xfe\x80",
        "日本 語".encode(),
        b"a\nb",
        b"-rf",
        b"a:b",
        b"%s%n",
        b"x" * 200,
        b"\xed\xa0\x80",
        b"'\"`$(x)",
    )
    return os.fsdecode(rng.choice(stems)) + ending


def the_file(folder: Path) -> Path:
    """The one entry of a folder."""
    return next(iter(sorted(folder.iterdir())))
