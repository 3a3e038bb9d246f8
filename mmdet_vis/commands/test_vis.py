"""Segment videos: every object as one sequence with a category, a score and a mask per frame.

The command line of ``tools/test_vis.py``, which has files, streams and datasets in one: ``mmdet-vis segment`` and
``mmdet-vis stream`` are its new names, and do the same work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import add_config_arguments
from mmdet_vis.commands.original import SEGMENT, Parser
from mmdet_vis.commands.run_arguments import (
    STREAM_DEFAULTS,
    STREAM_SOURCE,
    VIDEOS,
    add_dataset_arguments,
    add_engine_arguments,
    add_output_arguments,
    add_stream_arguments,
)
from mmdet_vis.commands.segment import FORMAT_HELP, run


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        old=SEGMENT,
        description=f"{(__doc__ or '').splitlines()[0]}  Without --input-dir and --stream, the videos are those of the "
        "config's test.dataset.",
        epilog="examples: %(prog)s configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py "
        "pretrained/r50.pth --input-dir demo/inputs --save-dir demo/outputs; the same with --save-dir Results alone "
        "runs the dataset and ends with Results/results.json, submission.zip and summary.json. "
        "Exit code 3: some videos could not be read (they are named), the others are done (torchrun itself then "
        "exits with 1; `python -m mmdet_vis.run.launch` in its place keeps the code); 2: bad input, or the results "
        "cannot be evaluated; 130: interrupted (Ctrl-C, SIGTERM).",
    )
    add_config_arguments(parser)
    parser.add_argument("--input-dir", type=Path, help=VIDEOS)
    add_output_arguments(parser, None, f"{FORMAT_HELP}; of a stream json (SAVE/NAME.jsonl) and video")
    stream = add_stream_arguments(parser, "stream (in place of --input-dir)")
    stream.add_argument("--stream", metavar="SOURCE", help=STREAM_SOURCE)
    add_dataset_arguments(parser, "dataset (without --input-dir)")
    add_engine_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command; returns 3 if some of several videos could not be read."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    if args.stream is not None and args.input_dir is not None:
        parser.error("--stream and --input-dir are two kinds of input: leave one of them out")
    for option in STREAM_DEFAULTS:
        if args.stream is None and getattr(args, option) is not None:
            parser.error(f"--{option} is an option of --stream SOURCE")
    for source, unfit in (("input_dir", ("overwrite", "eval")), ("stream", ("resume", "eval"))):
        for option in unfit:
            if getattr(args, source) is not None and getattr(args, option):
                shown = source.replace("_", "-")
                parser.error(f"--{option} is for runs over a dataset: leave it out with --{shown}")
    args.input_dir = None if args.input_dir is None else [args.input_dir]
    return run(args)
