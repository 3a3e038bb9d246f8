"""Command line arguments that several tools share."""

from __future__ import annotations

import argparse
import ast
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

FORMATS = ("json", "overlay", "video", "png")
PRECISIONS = ("float32", "tf32", "bfloat16", "float16", "auto")


CONFIG_HELP = "config file, or the name of one that comes with the program: `mmdet-vis configs` lists them"
WEIGHTS_HELP = (
    "weights, .pth or .safetensors: a file; a name in pretrained/ or in MMDET_VIS_HOME; or an address that is fetched "
    "once, https://... or hf://ORG/NAME/FILE, with #sha256=... behind it to be sure of the file"
)


def formats(text: str) -> tuple[str, ...]:
    """Parse ``--format``: a comma-separated list of :data:`FORMATS`."""
    chosen = tuple(part.strip() for part in text.split(",") if part.strip())
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


def probability(text: str) -> float:
    """Parse a threshold: a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r}: use a whole number of at least 1")
    return value


def seed(text: str) -> int:
    """Parse the seed of everything left to chance: a whole number of 32 bits, as NumPy's generators take."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r}: use a whole number from 0 to {2**32 - 1}")
    return value


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


def add_model_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--config`` and ``--weights`` (as ``args.checkpoint``), ``--cfg-options`` and ``--safe-config``."""
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
    add_config_options(parser)


def add_config_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--cfg-options`` and ``--safe-config``, which :func:`read_config` takes with ``args.config``."""
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

    Args:
        args: with ``config`` and what :func:`add_config_options` adds. A ``config`` of None is the one that
            ``args.checkpoint`` carries, see :func:`find_checkpoint`.

    Raises:
        ConfigError: see :func:`mmdet_vis.config.load.load_config` and :func:`mmdet_vis.weights.model_file`.
        CheckpointError: see there.
    """
    if args.config is None:
        from mmdet_vis.weights.model_file import check_fits, embedded_config

        config = embedded_config(args.checkpoint, args.cfg_options)
        check_fits(config, args.checkpoint)
        return config
    from mmdet_vis.config.load import load_config

    return load_config(args.config, args.cfg_options, args.safe_config)


def find_checkpoint(args: argparse.Namespace) -> Path:
    """The file of the weights that a command line names: every command that takes some looks for them here.

    Args:
        args: with ``checkpoint``, a path, name or address; None: the model that comes with the program.

    Raises:
        CheckpointError: see :func:`mmdet_vis.weights.find.find_weights`.
    """
    from mmdet_vis.weights.find import default_weights, find_weights

    return default_weights() if args.checkpoint is None else find_weights(args.checkpoint)


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the algorithm and of the engine."""
    algorithm = parser.add_argument_group("algorithm")
    algorithm.add_argument("--key-num", type=positive, help="number of key frames (default: the config's)")
    algorithm.add_argument("--mem-step", type=positive, help="remember every N-th frame (default: the config's memory)")
    algorithm.add_argument(
        "--mem-max",
        type=positive,
        help="remember at most so many frames, spread evenly (for long videos)",
    )
    algorithm.add_argument(
        "--score-thr", type=probability, default=0.05, help="lowest score written to results.json (default 0.05)"
    )
    algorithm.add_argument(
        "--use-cate-reduce",
        action="store_true",
        help="category-aware reduction, with a CateAwareReduce config",
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    engine.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="float32 gives the published numbers; auto is the fastest that the device does well (default float32)",
    )
    engine.add_argument(
        "--profile",
        default="exact",
        choices=("exact", "fast"),
        help="fast skips detections that a propagated sequence already covers (default exact: the published algorithm)",
    )
    engine.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile: a slow start, then faster on some devices; slower on the CPU in float32",
    )
    engine.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads of a process (default: OMP_NUM_THREADS, or PyTorch's choice for this machine, however many "
        "processes there are; under torchrun OMP_NUM_THREADS=1 is torchrun's and does not count: use --threads 1)",
    )
    engine.add_argument(
        "--feature-memory",
        default="2GB",
        metavar="SIZE",
        help="features kept in memory; those of longer videos are computed again (default 2GB)",
    )


def seconds(text: str) -> float:
    """Parse a time in seconds, above 0 and at most a day."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: use a number of seconds above 0, at most 86400")
    return value


STREAM_DEFAULTS = {"window": 40, "overlap": 8, "timeout": 10.0}


def add_stream_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--stream`` and its options; those that are not given are None, see :data:`STREAM_DEFAULTS`."""
    stream = parser.add_argument_group(
        "stream (in place of --input-dir)",
        "Video that is live or very long, a window of frames at a time and in bounded memory. SAVE/NAME.jsonl (a line "
        "for each frame) and SAVE/NAME.mp4 grow as results come. An object keeps its id from window to window if its "
        "masks overlap on the frames that both share. Frames that a camera or a live address sends while a window is "
        "segmented are dropped evenly; their number is shown.",
    )
    stream.add_argument(
        "--stream",
        metavar="SOURCE",
        help="a camera's number (0), an address (rtsp://..., http://...), - for a video on standard input (matroska, "
        "mpegts, ...), a video file or a folder of frames",
    )
    stream.add_argument(
        "--window",
        type=positive,
        metavar="N",
        help=f"frames that are segmented at once (default {STREAM_DEFAULTS['window']})",
    )
    stream.add_argument(
        "--overlap",
        type=positive,
        metavar="N",
        help=f"frames that neighbouring windows share (default {STREAM_DEFAULTS['overlap']})",
    )
    stream.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help=f"give up a source that sends nothing for so long (default {STREAM_DEFAULTS['timeout']:g})",
    )


def check_stream_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse mixtures of ``--stream`` with other inputs, and set its defaults."""
    for option, default in STREAM_DEFAULTS.items():
        if getattr(args, option) is None:
            setattr(args, option, default)
        elif args.stream is None:
            parser.error(f"--{option} is an option of --stream SOURCE")
    if args.stream is not None and args.input_dir is not None:
        parser.error("--stream and --input-dir are two kinds of input: leave one of them out")


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run over the config's dataset."""
    dataset = parser.add_argument_group(
        "dataset (without --input-dir)",
        "Start with `torchrun --nproc_per_node N` to share the videos among N processes, each with its GPU. "
        "Each video's result is in SAVE/videos/ID.json as soon as it is done.",
    )
    earlier = dataset.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in SAVE where it stopped, also with --input-dir; refused if it is of another model or "
        "other settings. Without it and --overwrite, a SAVE that holds results of a dataset is refused",
    )
    earlier.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the results in SAVE and start anew; with --stream: replace those of the same name",
    )
    dataset.add_argument(
        "--eval",
        action="store_true",
        help="evaluate the results with the dataset's annotations: prints a table and writes SAVE/metrics.json",
    )
