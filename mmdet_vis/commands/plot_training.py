"""Draw the losses and the validation AP of a training run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="example: %(prog)s work_dirs/seq_mask_rcnn_lite0_synthvis --out curve.png",
    )
    parser.add_argument("work_dir", type=Path, help="--work-dir of a training; its resumptions are one curve; or a log")
    parser.add_argument("--out", type=Path, default=Path("curve.png"), help="PNG, PDF or SVG (default curve.png)")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.training.curves import plot_training

    plot_training(args.work_dir, args.out)
    print(f"written: {args.out}")
    return 0
