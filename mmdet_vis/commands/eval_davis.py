"""Evaluate index PNGs on a DAVIS set by the unsupervised protocol: J and F, each as mean, recall and decay."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__, epilog="Exit code 2: bad input.")
    parser.add_argument("results_dir", type=Path, help="folder with <video>/<frame>.png; pixels are object numbers")
    parser.add_argument(
        "davis_root",
        type=Path,
        help="folder with Annotations_unsupervised and ImageSets, or (a link to) its JPEGImages/480p",
    )
    parser.add_argument("--set", default="val", dest="set_name", help="list in ImageSets (default: val)")
    parser.add_argument("--year", type=int, help="folder in ImageSets (default: 2017; of test sets 2019)")
    parser.add_argument(
        "--resolution", default="480p", help="of results and annotations: 480p (default) or Full-Resolution"
    )
    parser.add_argument("--out", type=Path, help="write the metrics, in [0, 1], to this JSON file")
    parser.add_argument("--per-object", action="store_true", help="also show (and write) each object's metrics")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.evaluation.davis import evaluate
    from mmdet_vis.files.atomic import atomic_write, check_outputs

    check_outputs((args.out,))
    metrics = evaluate(
        args.results_dir,
        args.davis_root,
        args.set_name,
        year=args.year,
        resolution=args.resolution,
        progress=sys.stderr.isatty(),
    )
    print(metrics.table(args.per_object))
    if args.out is not None:
        content: dict[str, object] = dict(metrics.summary())
        if args.per_object:
            content["per_object"] = metrics.per_object()
        atomic_write(args.out, json.dumps(content, indent=2) + "\n")
    return 0
