"""The parser of every command, and arguments that several of them share."""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mmdet_vis.choices import FORMATS
from mmdet_vis.commands.original import Old, metrics_in
from mmdet_vis.errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config


class Parser(argparse.ArgumentParser):
    """A parser that answers the options ``old`` of other programs, and its own written in another way."""

    def __init__(self, *args: Any, old: Mapping[str, Old] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.old = old or {}

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Look for old options first: ``--show`` would be taken for the beginning of ``--show-thr``.

        Raises:
            UserError: there is one.
        """
        own = self._option_string_actions
        words = list(sys.argv[1:] if args is None else args)
        for place, word in enumerate(words):
            name = word.partition("=")[0]
            if word == "--":
                break
            if not name.startswith("--") or name in own:
                if name == "--eval" and (named := metrics_in(words[place:])):
                    raise UserError(
                        f"--eval takes no names here, the dataset says what is measured: leave {' '.join(named)} out"
                    )
            elif (plain := name.replace("_", "-")) in self.old:
                raise UserError(f"{name} is an option of {self.old[plain].of}; {self.old[plain].advice}")
            elif plain in own:
                raise UserError(f"{name} is written {plain} here")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """End with one line. Who left out what a command needs sees its usage before; of an option that is none, the
        nearest is named.
        """
        wrong = re.match(r"unrecognized arguments: (--[^ =]+)", message)
        near = difflib.get_close_matches(wrong[1], self._option_string_actions, n=1) if wrong else []
        if message.startswith("the following arguments are required"):
            self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}{f'; did you mean {near[0]}?' if near else ''}\n")


CONFIG_HELP = "config file, or the name of one that comes with the program: `mmdet-vis configs` lists them"
WEIGHTS_HELP = (
    "weights, .pth or .safetensors: a file; a name in pretrained/ or in MMDET_VIS_HOME; or an address that is fetched "
    "once, https://... or hf://ORG/NAME/FILE, with #sha256=... behind it to be sure of the file"
)


def names(text: str) -> list[str]:
    """Parse a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def frame_size(multiple: int = 1) -> Callable[[str], tuple[int, int]]:
    """A parser of sizes like ``512x288``, whose sides are multiples of a number."""

    def parse(text: str) -> tuple[int, int]:
        width, _, height = text.lower().partition("x")
        sides = [int(side) if side.isdecimal() and len(side) < 6 else 0 for side in (width, height)]
        if any(side < multiple or side % multiple for side in sides):
            which = f", multiples of {multiple}" if multiple > 1 else ""
            raise argparse.ArgumentTypeError(f"{text!r}: write WIDTHxHEIGHT{which}, such as 512x288")
        return sides[0], sides[1]

    return parse


def formats(text: str) -> tuple[str, ...]:
    """Parse ``--format``: a comma-separated list of :data:`FORMATS`."""
    chosen = tuple(names(text))
    wrong = [part for part in chosen if part not in FORMATS]
    if wrong or not chosen:
        raise argparse.ArgumentTypeError(f"{text!r}: use a comma-separated list of {', '.join(FORMATS)}")
    return chosen


def undo_launcher_threads() -> None:
    """Take back that ``torchrun`` sets OMP_NUM_THREADS to 1; only works before torch is imported.

    The last digits of matrix products on a CPU depend on the number of threads. It must not depend on the number of
    processes, or else the results would. A 1 of the user's own looks the same to processes of ``torchrun``: there
    ``--threads 1`` says it. Any other value stays.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("OMP_NUM_THREADS") == "1":
        del os.environ["OMP_NUM_THREADS"]
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # Threads of processes that share cores must not wait by spinning.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def use_threads(number: int | None) -> None:
    """Load PyTorch, which takes seconds, and let it have so many threads of the CPU; None: as many as it likes."""
    import torch

    if number is not None:
        torch.set_num_threads(number)


DAVIS_SET = {"set_name": "val", "year": None, "resolution": "480p"}
"""Which videos of a DAVIS folder are meant, unless a command line says it."""


def add_davis_options(parser: argparse._ActionsContainer, defaults: Mapping[str, Any] = DAVIS_SET) -> None:
    """Add ``--set``, ``--year`` and ``--resolution``, with other defaults than those that their help names or not."""
    for name, kind, text in (
        ("set_name", str, "list in ImageSets (default: val)"),
        ("year", int, "folder in ImageSets (default: 2017; of test sets 2019)"),
        ("resolution", str, "of frames and annotations: 480p (default) or Full-Resolution"),
    ):
        flag = f"--{name.removesuffix('_name')}"
        parser.add_argument(flag, dest=name, type=kind, default=defaults[name], help=f"DAVIS: {text}")


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Add ``--strict`` of commands that read annotations."""
    parser.add_argument(
        "--strict",
        action="store_true",
        default=False,
        help="annotations of which something is left out or guessed are an error",
    )


def number(kind: Callable[[str], Any], accepts: Callable[[Any], bool], what: str) -> Callable[[str], Any]:
    """A parser of the numbers (``int`` or ``float``) that ``accepts``; messages say ``what`` to use."""

    def parse(text: str) -> Any:
        try:
            if accepts(value := kind(text)):
                return value
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r}: use {what}")

    return parse


probability = number(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
positive = number(int, lambda value: 1 <= value < 2**31, "a whole number of at least 1")
several = number(int, lambda value: 0 <= value < 2**31, "a whole number of at least 0")
seconds = number(float, lambda value: 0 < value <= 86400, "a number of seconds above 0, at most 86400")
seed = number(int, lambda value: 0 <= value < 2**32, f"a whole number from 0 to {2**32 - 1}")  # of 32 bits, as NumPy's


def video_count(most: int) -> Callable[[str], Any]:
    """A parser of how many videos a page shows: one of more would be too large to open."""
    return number(int, lambda value: 0 <= value <= most, f"a whole number from 0 to {most}")


class OptionAction(argparse.Action):
    """Collects ``key=value`` pairs; values are Python literals, anything else is a string."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse the pairs; a word without ``=`` is an error of the command line."""
        options: dict[str, Any] = dict(getattr(namespace, self.dest) or {})
        for pair in values or ():
            key, equals, value = str(pair).partition("=")
            if not equals or not key:
                parser.error(f"{option_string} takes KEY=VALUE pairs, got {pair!r}")
            options[key] = _literal(value)
        setattr(namespace, self.dest, options)


def weights(text: str) -> str | Path:
    """Weights as a command line names them: an address as it is, anything else as a path."""
    return text if "://" in text else Path(text)


def _literal(text: str) -> Any:
    named = {"true": True, "false": False, "none": None}
    if text.lower() in named:
        return named[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, CHECKPOINT, ``--cfg-options`` and ``--safe-config``."""
    parser.add_argument("config", type=Path, help=f"{CONFIG_HELP} (it is run as code)")
    parser.add_argument("checkpoint", type=weights, help=WEIGHTS_HELP)
    add_config_options(parser)


def add_model_options(parser: argparse._ActionsContainer, all: bool = True) -> None:
    """Add ``--config``, ``--weights`` (as ``args.checkpoint``) and ``--safe-config``; ``--proposer`` and
    ``--cfg-options`` if they are to be ``all``.
    """
    parser.add_argument(
        "--config",
        type=Path,
        metavar="CONFIG",
        help=f"{CONFIG_HELP} (it is run as code); needs --weights (default: the config that the weights carry)",
    )
    parser.add_argument(
        "--weights",
        "--checkpoint",
        dest="checkpoint",
        type=weights,
        metavar="WEIGHTS",
        help=f"{WEIGHTS_HELP} (default: the model that comes with the program)",
    )
    if all:
        parser.add_argument(
            "--proposer",
            metavar="NAME[:WEIGHTS]",
            help="another detector finds the objects, the model carries them: torchvision (80 categories of COCO), "
            "transformers, rfdetr, or files:PATH for what any program has found; see docs/proposers.md",
        )
    add_config_options(parser, all)


def check_model_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse a config without weights; the other way round is fine, as weights may carry their config.

    Raises:
        ConfigError: there is no such config, which is said first.
    """
    if args.config is not None and args.checkpoint is None:
        from mmdet_vis.config.read import find_config

        find_config(args.config)
        parser.error("--config needs --weights: give both, or neither for the default model")


def add_config_options(parser: argparse._ActionsContainer, override: bool = True) -> None:
    """Add ``--cfg-options`` and ``--safe-config``, which :func:`read_config` takes with ``args.config``; or the
    latter alone.
    """
    if override:
        parser.add_argument(
            "--cfg-options",
            nargs="+",
            action=OptionAction,
            default={},
            metavar="KEY=VALUE",
            help="override values of the config, e.g. propose_reduce.key_num=3",
        )
    parser.add_argument(
        "--safe-config",
        action="store_true",
        help="read the config as data: literals, dict(...) and _base_ only, nothing in it is executed or imported",
    )


def read_config(args: argparse.Namespace) -> Config:
    """The config that a command line names: every command that takes one reads it here.

    ``args`` have ``config`` and what :func:`add_config_options` adds; a ``proposer`` takes the place of the config's
    section. A ``config`` of None is the one that ``args.checkpoint`` carries, see :func:`find_checkpoint`.

    Raises:
        ConfigError, CheckpointError: see :func:`mmdet_vis.config.read.load_config`.
    """
    if (early := getattr(args, "early_config", None)) is not None:
        return early
    from mmdet_vis.config.read import apply_options, load_config

    named = getattr(args, "proposer", None)
    later = {k: v for k, v in args.cfg_options.items() if named is not None and k.partition(".")[0] == "proposer"}
    options = {key: value for key, value in args.cfg_options.items() if key not in later}
    if args.config is None:
        from mmdet_vis.weights.graph_files import carried_config

        config = carried_config(args.checkpoint, options)
    else:
        config = load_config(args.config, options, args.safe_config)
    if named is None:
        return config
    from mmdet_vis.config.read import parse_proposer

    config["proposer"] = parse_proposer(named)
    return apply_options(config, later)


def check_early(args: argparse.Namespace) -> None:
    """Find what is named wrongly before PyTorch is loaded, which takes seconds.

    The config is read, and kept for :func:`read_config`; files of weights and inputs must be there, or there is a
    :class:`UserError`. Of several processes under torchrun the first one speaks, later.
    """
    if "RANK" in os.environ:
        return
    for path in getattr(args, "input_dir", None) or ():
        if not Path(path).exists():
            from mmdet_vis.data.sources.inputs import find_inputs

            find_inputs(path)
    if args.config is not None:
        args.early_config = read_config(args)
    if getattr(args, "checkpoint", None) is not None:
        from mmdet_vis.weights.find import find_weights, is_address

        if not is_address(args.checkpoint):
            find_weights(args.checkpoint)


def find_checkpoint(args: argparse.Namespace) -> Path:
    """The file of the weights that a command line names: every command that takes some looks for them here.

    A ``checkpoint`` of None is the model that comes with the program. Raises :class:`CheckpointError`, see
    :func:`mmdet_vis.weights.find.find_weights`.
    """
    from mmdet_vis.weights.find import default_weights, find_weights

    return default_weights() if args.checkpoint is None else find_weights(args.checkpoint)
