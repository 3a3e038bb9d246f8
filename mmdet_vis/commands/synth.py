"""Make SynthVIS, a video instance dataset in YouTube-VIS format, from a seed alone."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, frame_size
from mmdet_vis.data.synthvis import LEVELS, DatasetOptions, DatasetSummary, make_dataset, write_contact_sheet
from mmdet_vis.errors import OutputError, counted


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    defaults = DatasetOptions()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = Parser(
        prog=prog,
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT_DIR", type=Path, help="folder to make")
    parser.add_argument("--train", type=int, default=defaults.train, help="training videos")
    parser.add_argument("--val", type=int, default=defaults.val, help="validation videos")
    parser.add_argument("--frames", type=int, default=defaults.frames, help="frames per video")
    parser.add_argument(
        "--size",
        type=frame_size(),
        default=f"{defaults.width}x{defaults.height}",
        metavar="WIDTHxHEIGHT",
        help="frame size in pixels",
    )
    parser.add_argument("--difficulty", choices=tuple(LEVELS), default=defaults.difficulty, help="level")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="the same seed gives the same bytes")
    parser.add_argument("--quality", type=int, default=defaults.quality, help="JPEG quality, 1 to 100")
    parser.add_argument("--workers", type=int, default=cores, help="processes; the dataset does not depend on it")
    parser.add_argument("--force", action="store_true", help="replace a SynthVIS dataset of other options in OUT_DIR")
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="PNG",
        help="also write a contact sheet of validation (else training) videos with their objects",
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Make the dataset that the command line asks for; returns the exit status."""
    args = build_parser(prog).parse_args(arguments)
    if args.preview is not None and not args.preview.absolute().parent.is_dir():
        raise OutputError(f"{args.preview}: its folder does not exist; make it first")
    started = time.perf_counter()
    summary = make_dataset(
        args.out,
        workers=args.workers,
        force=args.force,
        progress=True,
        width=args.size[0],
        height=args.size[1],
        **{name: getattr(args, name) for name in ("train", "val", "frames", "difficulty", "seed", "quality")},
    )
    print(_describe(summary, time.perf_counter() - started))
    if args.preview is not None:
        write_contact_sheet(summary.path / ("val" if args.val else "train"), args.preview)
        print(f"{args.preview}: contact sheet")
    return 0


def _describe(summary: DatasetSummary, seconds: float) -> str:
    if not summary.made:
        return f"{summary.path}: complete already, nothing to do"
    counts = [
        f"{split} {counted(summary.videos[split], 'video')} with {counted(objects, 'object')}"
        for split, objects in summary.objects.items()
    ]
    return f"{summary.path}: {', '.join(counts)}, made in {seconds:.1f} s"
