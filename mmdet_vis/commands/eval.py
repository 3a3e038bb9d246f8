"""Evaluate results: AP and AR of YouTube-VIS results, or J and F of index PNGs; HOTA, MOTSA, IDF1 and STQ of both."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_vis.commands.arguments import DAVIS_SET, Parser, add_davis_options, add_strict, probability
from mmdet_vis.errors import UserError

if TYPE_CHECKING:
    from mmdet_vis.evaluation.weighted import Weighted

BENCHMARKS = {
    "ytvis": "Evaluate YouTube-VIS results against annotations: AP, AP50, AP75, AP by size, AR at 1, 10 and 100.",
    "davis": "Evaluate index PNGs on a DAVIS set by the unsupervised protocol: J and F, each as mean, recall, decay.",
}
EXIT_CODES = "Exit code 2: bad input."
INTERVALS = "95 %% intervals by the bootstrap over videos"
MINUS_ONE = "-1 in the metrics file, - in the table: there is no object of that size."
DAVIS_DEFAULTS = {**DAVIS_SET, "per_object": False}
YTVIS_DEFAULTS = {"per_category": False, "plot": None, "score_thr": 0.2}


def build_parser(prog: str | None = None, benchmark: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, for one benchmark or for both."""
    parser = Parser(
        prog=prog,
        description=__doc__ if benchmark is None else BENCHMARKS[benchmark],
        epilog=EXIT_CODES if benchmark == "davis" else f"{MINUS_ONE} {EXIT_CODES}",
        argument_default=argparse.SUPPRESS,
    )
    for name, ytvis, davis in (
        (
            "results",
            "results.json, or a zip that holds it",
            "folder with <video>/<frame>.png; pixels are object numbers",
        ),
        (
            "annotations",
            "annotations with ground truth, in any format that is read",
            "folder with Annotations_unsupervised and ImageSets, or (a link to) its JPEGImages/480p",
        ),
    ):
        either = f"YouTube-VIS: {ytvis}; DAVIS: {davis}"
        parser.add_argument(name, type=Path, help={"ytvis": ytvis, "davis": davis}.get(benchmark or "", either))
    parser.add_argument("--out", type=Path, default=None, help="write the metrics, in [0, 1], to this JSON file")
    for option, what in (("tracking", "HOTA, MOTSA, IDF1 and STQ on masks"), ("intervals", INTERVALS)):
        default = f" (default; --no-{option} leaves them out)" if benchmark is None else ""
        parser.add_argument(
            f"--{option}",
            action=argparse.BooleanOptionalAction,
            default=benchmark is None,
            help=f"also show (and write) {what}{default}",
        )
    if benchmark != "davis":
        group = parser if benchmark else parser.add_argument_group("YouTube-VIS (ANNOTATIONS is no folder DAVIS)")
        group.add_argument("--per-category", action="store_true", help="also show (and write) each category's metrics")
        group.add_argument(
            "--score-thr",
            type=probability,
            help=f"sequences that --tracking counts; AP counts all (default {YTVIS_DEFAULTS['score_thr']})",
        )
        group.add_argument("--plot", type=Path, metavar="FILE", help="draw precision-recall curves (png, pdf or svg)")
    if benchmark != "ytvis":
        group = parser if benchmark else parser.add_argument_group("DAVIS (ANNOTATIONS is its folder)")
        add_davis_options(group, dict.fromkeys(DAVIS_SET, argparse.SUPPRESS))
        group.add_argument("--per-object", action="store_true", help="also show (and write) each object's metrics")
    add_strict(parser)
    return parser


def results_file(path: Path) -> Path:
    """The results that a path names: itself, or ``results.json`` of a run's folder."""
    return path / "results.json" if path.is_dir() else path


def results_folder(path: Path) -> Path:
    """The folder of index PNGs that a path names: itself, or ``png`` of a run's folder."""
    return path / "png" if (path / "png").is_dir() and (path / "run.json").is_file() else path


def main(arguments: Sequence[str] | None = None, prog: str | None = None, benchmark: str | None = None) -> int:
    """Run the command for a ``benchmark``; None: ANNOTATIONS says it, a folder DAVIS or not."""
    args = build_parser(prog, benchmark).parse_args(arguments)
    if benchmark is None:
        from mmdet_vis.data.formats.davis_layout import is_davis

        benchmark = "davis" if is_davis(args.annotations) else "ytvis"
    own, other = (DAVIS_DEFAULTS, YTVIS_DEFAULTS) if benchmark == "davis" else (YTVIS_DEFAULTS, DAVIS_DEFAULTS)
    for name in other:
        if name in args:
            option = "--set" if name == "set_name" else f"--{name.replace('_', '-')}"
            kind = "a folder DAVIS" if benchmark == "davis" else "no folder DAVIS"
            raise UserError(f"{option} does not apply: {args.annotations} is {kind}; leave it out")
    for name, default in own.items():
        if name not in args:
            setattr(args, name, default)
    from mmdet_vis.evaluation.resampling import interval_table, intervals
    from mmdet_vis.evaluation.weighted import WeightedTogether
    from mmdet_vis.files.atomic import atomic_write

    content, measures = evaluate_davis(args) if benchmark == "davis" else evaluate_ytvis(args)
    if args.intervals:
        together = WeightedTogether(measures)
        found = intervals(together)
        print(f"\n{interval_table(found, together.num_videos)}")
        known = {name: list(bounds) for name, bounds in found.items() if not math.isnan(bounds[0])}
        content["intervals"] = {"videos": together.num_videos, **known}
    if args.out is not None:
        atomic_write(args.out, json.dumps(content, indent=2) + "\n")
    return 0


def evaluate_ytvis(args: argparse.Namespace) -> tuple[dict[str, object], list[Weighted]]:
    """Print and draw AP and AR; returns the content of the metrics file, and what its intervals are of."""
    from mmdet_vis.data.formats.opening import strictly
    from mmdet_vis.evaluation.tracking import evaluate_tracking
    from mmdet_vis.evaluation.weighted import WeightedAP, WeightedTracking
    from mmdet_vis.evaluation.ytvis import check_plot_name, evaluate, load_annotations, load_results, plot_pr_curves
    from mmdet_vis.files.atomic import check_outputs

    if args.plot is not None:
        check_plot_name(args.plot)
    path = results_file(args.results)
    check_outputs((args.out, args.plot), (path, args.annotations))
    with strictly(args.strict):
        results, annotations = load_results(path), load_annotations(args.annotations)
        names = {"results_name": str(path), "annotations_name": str(args.annotations)}
        metrics = evaluate(results, annotations, progress=sys.stderr.isatty(), **names)
    print(metrics.table(args.per_category))
    content: dict[str, object] = dict(metrics.summary())
    measures: list[Weighted] = [WeightedAP.of(metrics)] if args.intervals else []
    if args.per_category:
        content["per_category"] = metrics.per_category()
    if args.tracking:
        tracking = evaluate_tracking(results, annotations, args.score_thr, **names)
        print(f"\ntracks with a score of at least {args.score_thr:g}\n{tracking.table()}")
        content["tracking"] = tracking.summary()
        content["tracking_category_mean"] = tracking.category_mean()
        if args.per_category:
            content["tracking_per_category"] = tracking.per_category()
        measures.append(WeightedTracking.of(tracking))
    if args.plot is not None:
        plot_pr_curves(metrics, args.plot)
    return content, measures


def evaluate_davis(args: argparse.Namespace) -> tuple[dict[str, object], list[Weighted]]:
    """The same of J and F."""
    from mmdet_vis.evaluation.davis import evaluate_sequences
    from mmdet_vis.evaluation.davis.dataset import annotated_sequences
    from mmdet_vis.evaluation.tracking import evaluate_index_pngs
    from mmdet_vis.evaluation.weighted import WeightedMeans, WeightedTracking
    from mmdet_vis.files.atomic import check_outputs

    check_outputs((args.out,))
    folder = results_folder(args.results)
    sequences = annotated_sequences(args.annotations, args.set_name, args.year, args.resolution)
    metrics = evaluate_sequences(folder, sequences, progress=sys.stderr.isatty())
    print(metrics.table(args.per_object))
    content: dict[str, object] = dict(metrics.summary())
    measures: list[Weighted] = [WeightedMeans.of(metrics, [each.name for each in sequences])] if args.intervals else []
    if args.per_object:
        content["per_object"] = metrics.per_object()
    if args.tracking:
        tracking = evaluate_index_pngs(folder, sequences)
        print(f"\n{tracking.table()}")
        content["tracking"] = tracking.summary()
        measures.append(WeightedTracking.of(tracking))
    return content, measures
