"""Segment a list of many videos on many machines: with no engine, by torchrun, as parts of a SLURM array, or on Ray."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from mmdet_vis.commands.arguments import (
    Parser,
    add_model_options,
    check_model_options,
    find_checkpoint,
    positive,
    read_config,
    several,
    undo_launcher_threads,
    use_threads,
)
from mmdet_vis.commands.run_arguments import add_drawing_arguments, add_engine_arguments, given_model, given_options

ENGINES = ("local", "torchrun", "ray")
FORMAT_HELP = (
    "comma-separated, besides the results: overlay (OUT/overlay/ID/*.jpg), video (OUT/video/ID.mp4), "
    "png (OUT/png/ID/*.png, indexed); default: none (json)"
)


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=f"{__doc__}  Each result is in OUT/videos/ID.json as soon as it is done. At the end "
        "OUT/results.json (YouTube-VIS) and OUT/sequences.parquet have those of all videos, OUT/status.parquet a row "
        "for each video and OUT/report.json the counts.",
        epilog="examples: %(prog)s videos.jsonl --out out --workers 2; %(prog)s videos.parquet --out s3://bucket/out "
        "--engine ray --address auto; torchrun --nproc-per-node 4 -m mmdet_vis batch videos.jsonl --out out --engine "
        "torchrun; %(prog)s videos.jsonl --out out --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT. Exit code 3: "
        "some videos have no result (they are named), the others are done; 2: bad input, or results cannot be written; "
        "130: interrupted (Ctrl-C, SIGTERM).",
    )
    parser.add_argument(
        "manifest",
        metavar="LIST",
        help="the videos, .jsonl, .csv or .parquet, with the columns uri, and where they are wanted id, start, stop "
        "(frames) and frames (how many there are); `mmdet-vis batch-list` makes one",
    )
    parser.add_argument("--out", required=True, metavar="URI", help="where results go: a folder or an address (s3://)")
    add_model_options(parser.add_argument_group("model"))
    _add_running(parser)
    add_drawing_arguments(parser, FORMAT_HELP)
    add_engine_arguments(parser)
    return parser


def _add_running(parser: argparse.ArgumentParser) -> None:
    running = parser.add_argument_group("machines")
    running.add_argument("--engine", choices=ENGINES, default="local", help="what runs the workers (default local)")
    running.add_argument(
        "--workers",
        type=several,
        metavar="N",
        help="workers of this process, each with its GPU if there are several (default 1; 0: the process itself), or "
        "of the Ray cluster (default: as many as fit)",
    )
    running.add_argument("--address", help="of a Ray cluster (auto: the one of this machine; default: start one here)")
    running.add_argument("--gpus-per-worker", type=float, metavar="N", help="GPUs of a Ray worker (default 1 if any)")
    running.add_argument("--cpus-per-worker", type=float, metavar="N", help="CPUs of a Ray worker (default --threads)")
    running.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="do part I (from 0) of N, beside other processes; goes on where it stopped. Then --merge-only",
    )
    running.add_argument(
        "--resume", action="store_true", help="go on with what is in OUT; refused if it is of another run"
    )
    running.add_argument(
        "--retries",
        type=several,
        default=1,
        metavar="N",
        help="how often a video is tried again when its worker dies or the network fails (default 1)",
    )
    running.add_argument("--chunk", type=positive, metavar="N", help="cut longer videos into parts of so many frames")
    running.add_argument("--overlap", type=positive, metavar="N", help="frames that neighbouring parts share")
    ends = parser.add_argument_group("other work").add_mutually_exclusive_group()
    ends.add_argument("--dry-run", action="store_true", help="do a sample and say how long all takes; writes nothing")
    ends.add_argument("--merge-only", action="store_true", help="only write the files of all videos, as after --shard")
    ends.add_argument("--no-merge", action="store_true", help="leave the files of all videos out")


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command; returns 3 if some videos have no result."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    check_model_options(parser, args)
    if args.engine != "ray" and (args.address or args.gpus_per_worker or args.cpus_per_worker):
        parser.error("--address, --gpus-per-worker and --cpus-per-worker are options of --engine ray")
    if "result" in (args.format or ()):
        parser.error("--format result: the results are in OUT/videos anyway; leave it out")
    if args.merge_only and args.shard is not None:
        parser.error("--merge-only is once for all parts: leave --shard out")
    if args.merge_only:
        from mmdet_vis.batch.run import merge_batch

        return merge_batch(args.manifest, args.out, args.score_thr)
    undo_launcher_threads()
    use_threads(args.threads)
    from mmdet_vis.batch.engines import EngineOptions
    from mmdet_vis.batch.run import Batch, run_batch
    from mmdet_vis.batch.worker import CHUNK, OVERLAP, WorkerPlan

    args.checkpoint = find_checkpoint(args)
    args.format = ("json", *(args.format or ()))
    plan = WorkerPlan(
        config=read_config(args),
        options=given_options(args),
        **given_model(args),
        out=args.out,
        chunk=args.chunk or CHUNK,
        overlap=args.overlap or OVERLAP,
        threads=args.threads,
        retries=args.retries,
    )
    return run_batch(
        Batch(
            manifest=args.manifest,
            plan=plan,
            engine=args.engine,
            options=EngineOptions(args.workers, args.address, args.gpus_per_worker, args.cpus_per_worker),
            shard=args.shard,
            resume=args.resume,
            merge=not args.no_merge,
            dry_run=args.dry_run,
        )
    )


def _shard(text: str) -> tuple[int, int]:
    """Parse ``I/N``."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise argparse.ArgumentTypeError(
            f"{text!r}: use I/N, the number of the part from 0 to N-1, and how many there are"
        )
    return int(match[1]), int(match[2])
