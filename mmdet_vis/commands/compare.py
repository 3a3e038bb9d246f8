"""Say whether results B are better than results A by a paired test over videos, and in which videos."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_davis_options, add_strict, probability, video_count
from mmdet_vis.commands.eval import results_file, results_folder
from mmdet_vis.errors import UserError


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog, description=__doc__, epilog="docs/evaluate.md explains the test. Exit code 0: done; 2: bad input."
    )
    what = "YouTube-VIS: results.json, a zip that holds it, or a run's folder; DAVIS: folder with <video>/<frame>.png"
    parser.add_argument("a", type=Path, metavar="A", help=what)
    parser.add_argument("b", type=Path, metavar="B", help="the same of the results that may be better")
    parser.add_argument(
        "annotations",
        type=Path,
        help="annotation file with ground truth; DAVIS: folder with Annotations_unsupervised and ImageSets",
    )
    parser.add_argument("--out", type=Path, default=Path("compare.html"), help="HTML page (default: compare.html)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, in [0, 1]")
    parser.add_argument(
        "--videos",
        type=video_count(50),
        default=5,
        metavar="N",
        help="videos to show of those that B gains most in, and of those that it loses most in (default: 5)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: 0)")
    group = parser.add_argument_group("YouTube-VIS (ANNOTATIONS is a file)")
    group.add_argument("--img-prefix", type=Path, metavar="DIR", help="folder of the frames: adds pictures")
    group.add_argument(
        "--score-thr",
        type=probability,
        default=0.2,
        help="sequences that are drawn and count for HOTA, MOTSA, IDF1 and STQ; AP counts all (default: 0.2)",
    )
    add_davis_options(parser.add_argument_group("DAVIS (ANNOTATIONS is a folder; its JPEGImages add pictures)"))
    add_strict(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    if args.seed < 0:
        raise UserError(f"--seed must be 0 or more, got {args.seed}")
    if args.img_prefix is not None and not args.img_prefix.is_dir():
        raise UserError(f"{args.img_prefix} is not a folder: give the one that the file_names are relative to")

    from mmdet_vis.data.formats.davis_layout import is_davis
    from mmdet_vis.data.formats.opening import strictly
    from mmdet_vis.evaluation.comparison import compare_davis, compare_ytvis, draw_video, render_comparison
    from mmdet_vis.evaluation.comparison.report import most
    from mmdet_vis.evaluation.resampling import sentence
    from mmdet_vis.evaluation.tables import format_table
    from mmdet_vis.evaluation.ytvis import load_annotations, load_results
    from mmdet_vis.files.atomic import atomic_write, check_outputs

    davis = is_davis(args.annotations)
    paths = tuple(results_folder(p) if davis else results_file(p) for p in (args.a, args.b))
    check_outputs((args.out, args.json), () if davis else (*paths, args.annotations))
    if davis:
        comparison = compare_davis(
            (paths[0], paths[1]),
            args.annotations,
            args.set_name,
            year=args.year,
            resolution=args.resolution,
            seed=args.seed,
        )
    else:
        with strictly(args.strict):
            comparison = compare_ytvis(
                (load_results(paths[0]), load_results(paths[1])),
                load_annotations(args.annotations),
                score_thr=args.score_thr,
                img_prefix=args.img_prefix,
                seed=args.seed,
                names=(str(paths[0]), str(paths[1])),
                annotations_name=str(args.annotations),
            )
    gains, losses = most(comparison, args.videos)
    pictures = {}
    if comparison.has_frames:
        pictures = {gain.video: draw_video(comparison.layers(gain.video)) for gain in (*gains, *losses)}
    rows: list[list[str | int | float]] = [
        [m.name, m.a, m.b, m.gain, m.low, m.high, f"{m.p:.3f}"] for m in comparison.measures
    ]
    print(f"A: {args.a}\nB: {args.b}\n")
    print(format_table(["measure", "A", "B", "B - A", "from", "to", "p"], rows))
    for title, videos in (("B gains most in", gains), ("B loses most in", losses)):
        listed = ", ".join(f"{comparison.videos[gain.video]} ({100 * gain.effect:+.2f})" for gain in videos)
        print(f"{title}: {listed or 'no video'}")
    atomic_write(args.out, render_comparison(comparison, (str(args.a), str(args.b)), args.videos, pictures))
    if args.json is not None:
        atomic_write(args.json, json.dumps(comparison.to_json(), indent=1) + "\n")
    print(f"\n{sentence(comparison.measures[0], len(comparison.videos))}\n")
    print(f"wrote {args.out}" + (f" and {args.json}" if args.json is not None else ""))
    return 0
