"""Check a dataset: counts, missing frames, wrong sizes, bad boxes and masks, categories; draw some of its frames."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_davis_options, add_strict


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="Exit code 0: no problems; 1: problems (the first 50 are listed), or doubts with --strict; 2: it cannot "
        "be read at all.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "ann_file", nargs="?", type=Path, help="annotations: a YouTube-VIS file, or any format that is read"
    )
    source.add_argument("--davis", type=Path, metavar="ROOT", help="check a DAVIS folder instead")
    parser.add_argument(
        "--img-prefix", type=Path, metavar="DIR", help="folder of the frames (default: where the format has them)"
    )
    add_davis_options(parser)
    add_strict(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="draw DIR/contact_sheet.png, frames with their masks")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command; returns 1 if there are problems."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    from rich.console import Console

    from mmdet_vis.data.check.check import check_davis, check_ytvis
    from mmdet_vis.data.check.report import print_report
    from mmdet_vis.data.formats.davis_layout import is_davis

    progress = sys.stderr.isatty()
    if args.davis is None and args.img_prefix is None and is_davis(args.ann_file):
        args.davis = args.ann_file
    if args.davis is not None:
        report = check_davis(args.davis, args.set_name, args.year, args.resolution, progress)
    else:
        report = check_ytvis(args.ann_file, args.img_prefix, progress)
    print_report(report, Console())
    if args.out is not None:
        from mmdet_vis.data.check.contact_sheet import draw_contact_sheet

        draw_contact_sheet(report, args.out / "contact_sheet.png")
        print(f"wrote {args.out / 'contact_sheet.png'}")
    return 1 if report.problems or (args.strict and report.doubts) else 0
