"""``mmdet-vis``: all commands of the program under one name."""

from __future__ import annotations

import difflib
import importlib
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.errors import UserError, run_command
from mmdet_vis.version import __version__

PROGRAM = "mmdet-vis"
COMMANDS = {
    "Videos": {
        "segment": "find every object of videos: masks, overlays and results as files",
        "stream": "the same of live or endless video, as it comes",
        "web": "a page to do so in a browser",
        "batch": "the same of a list of many videos, on many machines",
        "batch-list": "make that list from a folder or an address",
    },
    "Training": {
        "train": "train a network",
        "plot-training": "draw losses and validation AP of a training",
        "browse": "draw training samples as the network gets them",
    },
    "Results": {
        "review": "list the frames of a result that are most worth a look",
        "refine": "correct a result, and carry the corrections through the video",
        "eval": "evaluate results: AP of YouTube-VIS, J and F of DAVIS",
        "compare": "say whether one result is better than another, and in which videos",
        "analyze": "say what is wrong with results, and what each error costs",
        "submit": "check a submission before it goes to the benchmark's server",
    },
    "Datasets": {
        "check": "check a dataset: counts, frames, boxes, masks, categories",
        "convert": "turn annotations of other formats into YouTube-VIS",
        "split-stills": "split COCO stills into images to train on and to measure on",
        "synth": "make SynthVIS, a dataset from a seed alone",
    },
    "Models": {
        "configs": "list the configs that come with the program",
        "convert-weights": "convert checkpoints between formats and programs",
        "export": "write weights with their config as one model file",
    },
}
"""Subcommands with their one-line descriptions; each is the module of its name in :mod:`mmdet_vis.commands`."""

NAMES = [name for group in COMMANDS.values() for name in group]


def usage() -> str:
    """The help of the program."""
    width = max(map(len, NAMES)) + 2
    lines = [
        f"usage: {PROGRAM} COMMAND [ARGUMENT ...]",
        "",
        "Video instance segmentation with Propose-Reduce: every object of a video as one sequence of masks.",
    ]
    for group, commands in COMMANDS.items():
        lines += ["", f"{group}:"]
        lines += [f"  {name:{width}}{text}" for name, text in commands.items()]
    end = f"""
        {PROGRAM} COMMAND --help says more of each; {PROGRAM} --version prints the version.
        First steps: {PROGRAM} segment clip.mp4"""
    return "\n".join(lines) + "\n" + textwrap.dedent(end)


def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the subcommand that the first argument names.

    Only its module is imported: neither the help nor a mistyped name waits for torch.

    Raises:
        UserError: there is no such subcommand; the nearest is named.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        print(usage(), file=sys.stderr)
        return 2
    name, *rest = words
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"{PROGRAM} {__version__}")
        return 0
    if name not in NAMES:
        raise UserError(f"{name!r:.200} is not a command of {PROGRAM}{_hint(name)}")
    module = importlib.import_module(f"mmdet_vis.commands.{name.replace('-', '_')}")
    status: int | None = module.main(rest, prog=f"{PROGRAM} {name}")
    return status


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name.replace("_", "-"), NAMES, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if Path(name).exists():
        return f"; to segment a video: {PROGRAM} segment {name}"
    return f": use one of {', '.join(NAMES)}"


def run() -> None:
    """The program ``mmdet-vis``."""
    run_command(main)
