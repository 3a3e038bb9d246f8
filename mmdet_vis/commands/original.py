"""Commands and options of the original ProposeReduce: each is answered with the one that took its place."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mmdet_vis.errors import UserError


@dataclass(frozen=True)
class Old:
    """An option of the original.

    Attributes:
        values: how many values follow it.
        new: the words that took its place, with ``{value}`` for its value; empty if there are none.
        note: why there are none, or what else to know.
    """

    values: int
    new: str = ""
    note: str = ""

    def words(self, value: str) -> list[str]:
        """The new words for a value of the old option."""
        return shlex.split(self.new.format(value=shlex.quote(value)))


_NO_EFFECT = "it had no effect: leave it out"
SEGMENT: Mapping[str, Old] = {
    "--gpu": Old(1, "--device cuda:{value}"),
    "--show": Old(0, "--format json,overlay,video"),
    "--network": Old(1, note="it named the folder of the results only: leave it out, --save-dir names that"),
    "--save_path": Old(1, note=_NO_EFFECT),
    "--gpus": Old(1, note=_NO_EFFECT),
    "--proc_per_gpu": Old(1, note=_NO_EFFECT),
    "--out": Old(1, note=_NO_EFFECT),
    "--load_result": Old(0, note=_NO_EFFECT),
    "--max-agg": Old(1, note=_NO_EFFECT),
}
TRAIN: Mapping[str, Old] = {
    "--work_dir": Old(1, "--work-dir {value}"),
    "--resume_from": Old(1, "--resume", "the newest checkpoint of --work-dir is taken"),
    "--gpu": Old(1, note="start `torchrun --nproc-per-node N tools/train.py ...` for N GPUs"),
    "--validate": Old(0, note="val_cfg of the config says when to validate"),
    "--launcher": Old(1, note="torchrun is noticed: leave it out"),
}
"""Options by the command that they were of; those that are the same here are not listed."""

SCRIPTS: Mapping[str, Sequence[str]] = {
    # The original's demo has these two as defaults.
    "tools/demo.py": ("--key-num", "5", "--mem-step", "5"),
    "tools/test_video_seq.py": (),
    "tools/test_video_seq_davis.py": (),
}
"""Scripts that tools/test_vis.py took the place of, and what it needs to do the same."""


class Parser(argparse.ArgumentParser):
    """A parser that answers the options ``old`` of the original with the new ones."""

    def __init__(self, *args: Any, old: Mapping[str, Old], **options: Any) -> None:
        super().__init__(*args, **options)
        self.old = old

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Look for old options first: ``--show`` would be taken for the beginning of ``--show-thr``.

        Raises:
            UserError: there is one.
        """
        for word in sys.argv[1:] if args is None else args:
            name = word.partition("=")[0]
            if name in self.old and name not in self._option_string_actions:
                raise UserError(f"{name} is an option of the original ProposeReduce; {_advice(self.old[name])}")
        return super().parse_known_args(args, namespace)


def _advice(old: Old) -> str:
    here = f"here it is {old.new.format(value='N' if 'cuda' in old.new else 'DIR')}" if old.new else ""
    return "; ".join(part for part in (here, old.note) if part)


def translate(words: Sequence[str], old: Mapping[str, Old]) -> list[str]:
    """A command line with the options of now; what has no effect any more is left out."""
    rest, new = list(words), []
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name not in old:
            new.append(word)
            continue
        if old[name].values and not equals:
            value = rest.pop(0) if rest else ""
        new += old[name].words(value)
    return new


def answer(script: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Say what took the place of a script of the original, for the arguments that it was called with.

    Raises:
        UserError: always.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    words = translate(given, SEGMENT) or ["CONFIG", "CHECKPOINT", "--save-dir", "DIR"]
    defaults = SCRIPTS[script]
    for name, value in zip(defaults[::2], defaults[1::2], strict=True):
        if not any(word.partition("=")[0] == name for word in words):
            words += [name, value]
    raise UserError(f"{script} is tools/test_vis.py here: python tools/test_vis.py {shlex.join(words)}")
