"""Find what the YouTube-VIS or DAVIS server would reject, before uploading."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_davis_options


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="Exit code 0: no problems; 1: problems (the first 50 are listed); 2: something cannot be read.",
    )
    parser.add_argument(
        "submission",
        type=Path,
        help="YouTube-VIS: results.json or its zip; DAVIS: folder or zip of <video>/<frame>.png",
    )
    parser.add_argument(
        "reference",
        type=Path,
        help="YouTube-VIS: annotation file of the set (ground truth is not needed); DAVIS: the folder with ImageSets "
        "and JPEGImages, or (a link to) its JPEGImages/480p",
    )
    add_davis_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command; returns 1 if there are problems."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.evaluation.submission import check_davis_submission, check_ytvis_submission
    from mmdet_vis.evaluation.ytvis import load_annotations

    if args.reference.is_dir():
        report = check_davis_submission(
            args.submission,
            args.reference,
            args.set_name,
            year=args.year,
            resolution=args.resolution,
            progress=sys.stderr.isatty(),
        )
    else:
        report = check_ytvis_submission(args.submission, load_annotations(args.reference), str(args.reference))
    print(report.text())
    return 1 if report.problems else 0
