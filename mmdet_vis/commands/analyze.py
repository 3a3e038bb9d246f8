"""Say what is wrong with YouTube-VIS results: types of errors and what each costs, AP by length, size and occlusion."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_strict, number, video_count
from mmdet_vis.errors import UserError


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog, description=__doc__, epilog="docs/analysis.md defines the types. Exit code 0: done; 2: bad input."
    )
    parser.add_argument("results", type=Path, help="results.json, or a zip that holds it")
    parser.add_argument("annotations", type=Path, help="YouTube-VIS annotation file with ground truth")
    parser.add_argument("--img-prefix", type=Path, metavar="DIR", help="folder of the frames: adds pictures")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="HTML report (default: report.html)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, and each prediction's type")
    parser.add_argument("--worst", type=video_count(100), default=10, metavar="N", help="videos to list (default: 10)")
    finite = number(float, math.isfinite, "a finite number")
    parser.add_argument(
        "--score-thr", type=finite, default=0.1, help="lowest score of a prediction that gets a type (default: 0.1)"
    )
    add_strict(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.data.formats.opening import strictly
    from mmdet_vis.evaluation.analysis import analyze, draw_videos, render_report
    from mmdet_vis.evaluation.tables import format_table
    from mmdet_vis.evaluation.ytvis import load_annotations, load_results
    from mmdet_vis.files.atomic import atomic_write, check_outputs

    check_outputs((args.out, args.json), (args.results, args.annotations))
    if args.img_prefix is not None and not args.img_prefix.is_dir():
        raise UserError(f"{args.img_prefix} is not a folder: give the one that the file_names are relative to")
    with strictly(args.strict):
        results, annotations = load_results(args.results), load_annotations(args.annotations)
        analysis = analyze(
            results,
            annotations,
            score_thr=args.score_thr,
            results_name=str(args.results),
            annotations_name=str(args.annotations),
            progress=sys.stderr.isatty(),
        )
    worst = analysis.worst(args.worst)
    pictures = {}
    if args.img_prefix is not None:
        pictures = draw_videos(analysis, worst, results, annotations, args.img_prefix)
    print(format_table(["metric", "value"], list(analysis.summary.items())))
    counts = {**analysis.prediction_counts(), "missed": analysis.object_counts()["missed"]}
    rows: list[list[str | int | float]] = [
        [name, number, analysis.gains.get(name, -1.0)] for name, number in counts.items()
    ]
    print("\n" + format_table(["type", "number", "AP50 gain"], rows))
    atomic_write(args.out, render_report(analysis, worst, pictures, title=f"Analysis of {args.results.name}"))
    print(f"\nwrote {args.out}")
    if args.json is not None:
        atomic_write(args.json, json.dumps(analysis.to_json(), indent=1) + "\n")
        print(f"wrote {args.json}")
    return 0
