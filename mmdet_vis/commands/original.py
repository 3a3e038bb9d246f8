"""Commands and options of the original ProposeReduce and of MMDetection: each is answered with what is typed here."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mmdet_vis.errors import UserError

PROPOSE_REDUCE, MMDETECTION = "the original ProposeReduce", "MMDetection"


@dataclass(frozen=True)
class Old:
    """An option that other programs have.

    Attributes:
        values: how many values follow it; None: all words up to the next option.
        new: the words that took its place, with ``{value}`` for its value; empty if there are none.
        note: why there are none, or what else to know.
        shown: how a message calls the value.
        of: the program that has it.
    """

    values: int | None
    new: str = ""
    note: str = ""
    shown: str = "DIR"
    of: str = MMDETECTION

    def words(self, values: Sequence[str]) -> list[str]:
        """The new words for the values of the old option."""
        return shlex.split(self.new.format(value=shlex.join(values)))

    @property
    def advice(self) -> str:
        """What to type, for a message."""
        here = f"here it is {self.new.format(value=self.shown)}" if self.new else ""
        return "; ".join(part for part in (here, self.note) if part)


_NO_EFFECT = "it had no effect: leave it out"
_LAUNCHED = Old(1, note="start with `torchrun --nproc-per-node N`, which is noticed: leave it out")
_BOTH = {
    "--gpu-id": Old(1, "--device cuda:{value}", shown="N"),
    "--options": Old(None, "--cfg-options {value}", shown="KEY=VALUE ..."),
    "--launcher": _LAUNCHED,
    "--local-rank": _LAUNCHED,
}
_GPUS = "for N GPUs start with `torchrun --nproc-per-node N`"
SEGMENT: Mapping[str, Old] = {
    "--gpu": Old(1, "--device cuda:{value}", shown="N", of=PROPOSE_REDUCE),
    "--show": Old(0, "--format json,overlay,video", of=PROPOSE_REDUCE),
    "--network": Old(
        1, note="it named the folder of the results only: leave it out, --save-dir names that", of=PROPOSE_REDUCE
    ),
    **dict.fromkeys(
        ("--save-path", "--gpus", "--proc-per-gpu", "--max-agg"), Old(1, note=_NO_EFFECT, of=PROPOSE_REDUCE)
    ),
    "--load-result": Old(0, note=_NO_EFFECT, of=PROPOSE_REDUCE),
    "--out": Old(1, note="the results go to --save-dir: leave it out"),
    "--gpu-ids": Old(None, note=f"one GPU is --device cuda:N; {_GPUS}"),
    "--work-dir": Old(1, "--save-dir {value}"),
    "--show-dir": Old(1, "--save-dir {value} --format json,overlay,video"),
    "--show-score-thr": Old(1, "--show-thr {value}", shown="SCORE"),
    "--format-only": Old(0, note="results.json and submission.zip are written anyway: leave it out"),
    "--eval-options": Old(None, note="`mmdet-vis eval` evaluates with options of its own: leave it out"),
    "--fuse-conv-bn": Old(0, note="it is done where it is faster: leave it out"),
    "--tmpdir": Old(1, note="processes share their results in --save-dir: leave it out"),
    "--gpu-collect": Old(0, note="processes share their results in --save-dir: leave it out"),
    "--seed": Old(1, note="nothing is left to chance: leave it out"),
    "--deterministic": Old(0, note="results are the same each time: leave it out"),
    **_BOTH,
}
TRAIN: Mapping[str, Old] = {
    "--gpu": Old(1, note=f"{_GPUS}, one is --device cuda:N", of=PROPOSE_REDUCE),
    "--validate": Old(0, note="val_cfg of the config says when to validate", of=PROPOSE_REDUCE),
    "--resume-from": Old(1, "--resume", "the newest checkpoint of --work-dir is taken", of=PROPOSE_REDUCE),
    "--auto-resume": Old(0, "--resume auto"),
    "--no-validate": Old(0, "--cfg-options val_cfg=None"),
    "--gpus": Old(1, note=_GPUS),
    "--gpu-ids": Old(None, note=f"{_GPUS}, one is --device cuda:N"),
    "--deterministic": Old(0, note="the same seed always trains the same: leave it out"),
    "--diff-seed": Old(0, note="processes draw different clips anyway: leave it out"),
    "--amp": Old(0, "--precision float16", "or bfloat16"),
    **dict.fromkeys(
        ("--auto-scale-lr", "--autoscale-lr"),
        Old(0, note="train.base_batch_size of the config says what the learning rate is meant for"),
    ),
    **_BOTH,
}
"""Options by the command that they were of, with - for _; those that are the same here are not listed."""

METRICS = frozenset({"bbox", "segm", "proposal", "proposal_fast", "mAP", "track", "AP"})
"""Words that followed ``--eval``."""

SCRIPTS: Mapping[str, Sequence[str]] = {
    # The original's demo has these two as defaults.
    "tools/demo.py": ("--key-num", "5", "--mem-step", "5"),
    "tools/test_video_seq.py": (),
    "tools/test_video_seq_davis.py": (),
}
"""Scripts that tools/test_vis.py took the place of, and what it needs to do the same."""


def metrics_in(words: Sequence[str]) -> list[str]:
    """The names of measures at the beginning of ``--eval bbox segm ...``."""
    _, equals, value = words[0].partition("=")
    named = [value] if equals else []
    for word in words[1:]:
        if word not in METRICS or Path(word).exists():
            break
        named.append(word)
    return named


def translate(words: Sequence[str], old: Mapping[str, Old]) -> list[str]:
    """A command line with the options of now; what has no effect any more is left out."""
    rest, new = list(words), []
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        option = old.get(name.replace("_", "-"))
        if name == "--eval":
            del rest[: len(metrics_in([word, *rest])) - bool(equals)]
            new.append(name)
        elif option is None:
            new.append(word)
        else:
            number = 0 if equals else option.values
            if number is None:
                number = next((i for i, other in enumerate(rest) if other.startswith("-")), len(rest))
            new += option.words([value] if equals else rest[:number])
            del rest[:number]
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
