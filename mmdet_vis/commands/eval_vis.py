"""Evaluate YouTube-VIS results against annotations: AP, AP50, AP75, AP by size, AR at 1, 10 and 100."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=__doc__,
        epilog="-1 in the metrics file, - in the table: there is no object of that size. Exit code 2: bad input.",
    )
    parser.add_argument("results", type=Path, help="results.json, or a zip that holds it")
    parser.add_argument("annotations", type=Path, help="YouTube-VIS annotation file with ground truth")
    parser.add_argument("--out", type=Path, help="write the metrics, in [0, 1], to this JSON file")
    parser.add_argument("--per-category", action="store_true", help="also show (and write) each category's metrics")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw precision-recall curves (png, pdf or svg)")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.evaluation.ytvis import check_plot_name, evaluate, load_annotations, load_results, plot_pr_curves
    from mmdet_vis.files.atomic import atomic_write, check_outputs

    if args.plot is not None:
        check_plot_name(args.plot)
    check_outputs((args.out, args.plot), (args.results, args.annotations))
    metrics = evaluate(
        load_results(args.results),
        load_annotations(args.annotations),
        results_name=str(args.results),
        annotations_name=str(args.annotations),
        progress=sys.stderr.isatty(),
    )
    print(metrics.table(args.per_category))
    if args.out is not None:
        content: dict[str, object] = dict(metrics.summary())
        if args.per_category:
            content["per_category"] = metrics.per_category()
        atomic_write(args.out, json.dumps(content, indent=2) + "\n")
    if args.plot is not None:
        plot_pr_curves(metrics, args.plot)
    return 0
