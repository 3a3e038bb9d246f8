"""Train a Seq Mask R-CNN."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet_vis.commands.arguments import (
    Parser,
    add_config_options,
    add_strict,
    check_early,
    positive,
    read_config,
    seed,
    use_threads,
    weights,
)
from mmdet_vis.commands.original import TRAIN
from mmdet_vis.errors import EXIT_INTERRUPTED, ConfigError


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(
        prog=prog,
        old=TRAIN,
        description=f"{__doc__}  Checkpoints, logs and the config go to --work-dir; the checkpoints are read by all "
        "other tools.",
        epilog="examples: %(prog)s configs/SynthVIS/seq_mask_rcnn_lite0_synthvis.py; on 4 GPUs: torchrun "
        "--nproc-per-node 4 -m mmdet_vis train CONFIG; after a kill: the same with --resume. Ctrl-C, SIGTERM and "
        "SIGUSR1, which SLURM sends before the end of a job, save the state after the step under way.",
    )
    parser.add_argument("config", type=Path, help="config with a train block")
    parser.add_argument("--work-dir", type=Path, help="default: work_dirs/NAME_OF_CONFIG")
    parser.add_argument(
        "--resume",
        nargs="?",
        choices=("yes", "auto"),
        metavar="auto",
        help="continue from the newest iter_*.pth of --work-dir, exactly as if uninterrupted; with auto, start where "
        "there is none, so that one command does for a job that is started again and again",
    )
    parser.add_argument("--load-from", type=weights, help="start from these weights (overrides the config's load_from)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="overrides the config's")
    parser.add_argument("--seed", type=seed, default=0, help="of everything left to chance (default 0)")
    parser.add_argument("--threads", type=positive, help="CPU threads (default: PyTorch's choice)")
    add_config_options(parser)
    add_strict(parser)
    return parser


class _Parser(Parser):
    """Knows that of words after ``--resume`` only ``auto`` belongs to it: it had no value once."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Give ``--resume`` its value before it takes the config for one."""
        words = list(sys.argv[1:] if args is None else args)
        for place, word in enumerate(words):
            if len(word) > len("--re") and "--resume".startswith(word) and words[place + 1 : place + 2] != ["auto"]:
                words[place] = "--resume=yes"
        return super().parse_known_args(words, namespace)


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    check_early(args)
    use_threads(args.threads)
    from mmdet_vis.data.formats.opening import strictly
    from mmdet_vis.run.workers import Workers
    from mmdet_vis.training import Interrupted, build_runner
    from mmdet_vis.training.state import choose_state, locked_work_dir

    config = read_config(args)
    if args.load_from is not None:
        config.load_from = str(args.load_from)
    if args.precision is not None:
        if "optim_wrapper" not in config:
            raise ConfigError(f"{args.config}: has no optim_wrapper, so it cannot be trained")
        config.optim_wrapper.precision = args.precision
    work_dir = args.work_dir or Path("work_dirs", args.config.stem)
    workers = Workers.from_environment(training=True)
    with locked_work_dir(work_dir, workers), strictly(args.strict):
        state = workers.on_first(lambda: choose_state(work_dir, args.resume == "yes" or args.resume or False))
        runner = build_runner(config, work_dir, args.device, args.seed, resumes=state is not None)
        if state is not None:
            runner._load_from, runner._resume = str(state), True
        interrupted = False
        try:
            runner.train()
        except Interrupted:
            interrupted = True
    iterations = runner.iter
    del runner  # Its model keeps the group of processes, which disconnect() ends.
    workers.disconnect()
    if workers.rank == 0:
        if interrupted:
            print(f"interrupted after iteration {iterations}; continue with --resume")
        else:
            print(f"trained {iterations} iterations; checkpoints are in {work_dir}")
    return EXIT_INTERRUPTED if interrupted else 0
