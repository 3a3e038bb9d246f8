"""Segment live or very long video as it comes: cameras, addresses, pipes, endless files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mmdet_vis.commands.arguments import Parser, add_model_options, check_model_options
from mmdet_vis.commands.run_arguments import (
    STREAM_OVERWRITE,
    STREAM_SOURCE,
    add_engine_arguments,
    add_output_arguments,
    add_stream_arguments,
)
from mmdet_vis.commands.segment import SAVE_DIR, run

FORMAT_HELP = "comma-separated: json (SAVE/NAME.jsonl), video (SAVE/NAME.mp4); default: json,video"


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="examples: %(prog)s 0; %(prog)s rtsp://host/path --save-dir out; ffmpeg ... | %(prog)s -. Ctrl-C ends a "
        "stream; what was seen so far is kept. Exit code 2: bad input; 130: interrupted (Ctrl-C, SIGTERM).",
    )
    parser.add_argument("stream", metavar="SOURCE", help=STREAM_SOURCE)
    add_model_options(parser.add_argument_group("model"))
    add_output_arguments(parser, SAVE_DIR, FORMAT_HELP)
    parser.add_argument("--overwrite", action="store_true", help=STREAM_OVERWRITE)
    add_stream_arguments(parser, "stream")
    add_engine_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    args.input_dir = None
    check_model_options(parser, args)
    return run(args)
