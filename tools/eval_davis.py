#!/usr/bin/env python3
"""Evaluate index PNGs on a DAVIS set by the unsupervised protocol: J and F, each as mean, recall and decay."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Exit code 2: bad input.")
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
    return parser.parse_args()


def main() -> int:
    """Run the tool."""
    args = parse_args()
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


if __name__ == "__main__":
    run_command(main)
