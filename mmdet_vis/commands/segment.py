"""Segment videos: every object as one sequence with a category, a score and a mask per frame."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_vis.commands.arguments import (
    Parser,
    add_config_arguments,
    add_model_options,
    check_early,
    check_model_options,
    find_checkpoint,
    read_config,
    undo_launcher_threads,
    use_threads,
)
from mmdet_vis.commands.original import SEGMENT
from mmdet_vis.commands.run_arguments import (
    STREAM_DEFAULTS,
    STREAM_SOURCE,
    VIDEOS,
    add_dataset_arguments,
    add_engine_arguments,
    add_output_arguments,
    add_prompt_arguments,
    add_stream_arguments,
    given_model,
    given_options,
)

if TYPE_CHECKING:
    from mmdet_vis.run.options import RunOptions

SAVE_DIR = Path("mmdet_vis_results")
"""Where results go unless a command line says it."""

FORMAT_HELP = (
    "comma-separated: json (SAVE/results.json), overlay (SAVE/NAME/*.jpg), video (SAVE/NAME.mp4), "
    "png (SAVE/NAME/*.png, indexed, as DAVIS wants them), "
    "result (SAVE/NAME.result.json, all that is known of the video, for refine and review); of a dataset "
    "SAVE/overlay/NAME/*.jpg, SAVE/video/NAME.mp4, SAVE/png/NAME/*.png and SAVE/result/NAME.result.json; "
    "default: json,overlay,video,result; of a dataset json, of DAVIS json,png"
)


def build_parser(prog: str | None = None, tool: bool = False) -> argparse.ArgumentParser:
    """The parser of the command line; or of ``tools/test_vis.py``, the ``tool`` that has streams, too."""
    without = "--input-dir and --stream" if tool else "VIDEO"
    example = (
        "%(prog)s configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py pretrained/r50.pth --input-dir "
        "demo/inputs --save-dir demo/outputs; the same with --save-dir out alone runs"
        if tool
        else "%(prog)s clip.mp4; %(prog)s clip.mp4 folder --config seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage "
        "--weights r50.pth --save-dir out; the same without videos runs"
    )
    parser = Parser(
        prog=prog,
        old=SEGMENT,
        description=f"{__doc__}  Without {without}, the videos are those of the test.dataset of the config.",
        epilog=f"examples: {example} the dataset and ends with out/results.json, submission.zip and summary.json. "
        "Exit code 3: some videos could not be read (they are named), the others are done (torchrun itself then exits "
        "with 1; `python -m mmdet_vis.run.launch` in its place keeps the code); 2: bad input, or the results cannot be "
        "evaluated; 130: interrupted (Ctrl-C, SIGTERM).",
    )
    if tool:
        add_config_arguments(parser)
        parser.add_argument("--input-dir", type=Path, help=VIDEOS)
        add_output_arguments(parser, None, f"{FORMAT_HELP}; of a stream json (SAVE/NAME.jsonl) and video")
        stream = add_stream_arguments(parser, "stream (in place of --input-dir)")
        stream.add_argument("--stream", metavar="SOURCE", help=STREAM_SOURCE)
    else:
        parser.add_argument("input_dir", nargs="*", type=Path, metavar="VIDEO", help=VIDEOS)
        add_model_options(parser.add_argument_group("model"))
        add_output_arguments(parser, SAVE_DIR, FORMAT_HELP)
        add_prompt_arguments(parser)
    add_dataset_arguments(parser, f"dataset (without {'--input-dir' if tool else 'VIDEO'})")
    add_engine_arguments(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None, tool: bool = False) -> int:
    """Run the command, or the ``tool``; returns 3 if some of several videos could not be read."""
    parser = build_parser(prog, tool)
    if tool:
        args = parser.parse_args(arguments)
        _check_tool(parser, args)
        args.input_dir = None if args.input_dir is None else [args.input_dir]
        return run(args)
    args = parser.parse_intermixed_args(arguments)
    args.stream, args.input_dir = None, args.input_dir or None
    check_model_options(parser, args)
    if args.input_dir is None and args.config is None:
        parser.error("no VIDEO: name videos or folders of them, or --config and --weights to run the config's dataset")
    for option in ("overwrite", "eval"):
        if args.input_dir is not None and getattr(args, option):
            parser.error(f"--{option} is for runs over a dataset: leave it out with VIDEO")
    if (args.prompt or args.no_propose) and (args.input_dir is None or len(args.input_dir) != 1):
        parser.error("--prompt and --no-propose are for one video: name it")
    if args.no_propose and not args.prompt:
        parser.error("--no-propose needs --prompt: it follows prompts alone")
    return run(args)


def _check_tool(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options of one kind of input with another."""
    if args.stream is not None and args.input_dir is not None:
        parser.error("--stream and --input-dir are two kinds of input: leave one of them out")
    for option in STREAM_DEFAULTS:
        if args.stream is None and getattr(args, option) is not None:
            parser.error(f"--{option} is an option of --stream SOURCE")
    for source, unfit in (("input_dir", ("overwrite", "eval")), ("stream", ("resume", "eval"))):
        for option in unfit:
            if getattr(args, source) is not None and getattr(args, option):
                shown = source.replace("_", "-")
                parser.error(f"--{option} is for runs over a dataset: leave it out with --{shown}")


def run(args: argparse.Namespace) -> int:
    """Segment what a command line asks for: a stream, videos, or a dataset; returns the exit code.

    ``args`` are of :func:`build_parser` or of :mod:`mmdet_vis.commands.stream`; ``input_dir`` is a list of files and
    folders, or None.
    """
    if args.stream is None:
        undo_launcher_threads()
    check_early(args)
    use_threads(args.threads)  # here: `--help` and mistyped arguments should not wait for PyTorch
    if args.stream is not None:
        return on_stream(args, given_options(args))
    if not getattr(args, "prompt", None):
        return on_videos(args, given_options(args))
    from mmdet_vis.corrections.files import naming, read_given

    prompts, names = read_given(None, args.prompt)
    with naming(names):
        return on_videos(args, given_options(args, prompts=prompts))


def on_stream(args: argparse.Namespace, options: RunOptions) -> int:
    """Segment a live or very long video as it comes."""
    import sys

    from mmdet_vis.choices import STREAM_FORMATS
    from mmdet_vis.errors import EXIT_INTERRUPTED, ConfigError
    from mmdet_vis.files.atomic import remove_unfinished
    from mmdet_vis.files.lock import RunLock
    from mmdet_vis.run.options import Plan
    from mmdet_vis.signals import StopSignals
    from mmdet_vis.streaming import StreamReader
    from mmdet_vis.streaming.run import describe_stream, run_stream, stream_places
    from mmdet_vis.streaming.segment import check_window

    for option, default in STREAM_DEFAULTS.items():
        if getattr(args, option) is None:
            setattr(args, option, default)
    check_window(args.window, args.overlap)
    args.checkpoint = find_checkpoint(args)
    config = read_config(args)
    if (config.get("proposer") or {}).get("type") == "files":
        raise ConfigError("--proposer files:... is for videos: of a stream, nobody has seen the frames before")
    plan = Plan(config, options=options, **given_model(args))
    plan.settings()  # checks them
    with StopSignals() as stop, RunLock(args.save_dir):
        source = StreamReader(args.stream, args.timeout, args.window - args.overlap, stop)
        remove_unfinished([args.save_dir])
        places = stream_places(
            source.name, args.stream, args.save_dir, options.formats or STREAM_FORMATS, args.overwrite
        )
        with source:
            summary = run_stream(plan.load(), source, places, args.window, args.overlap, options, stop)
    print(describe_stream(summary, source.name, places))
    if summary.problem is not None:
        raise summary.problem
    if stop():
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def on_videos(args: argparse.Namespace, options: RunOptions) -> int:
    """Segment the videos that are named, or those of the config's dataset."""
    from mmdet_vis.run.videos import Run, run_dataset, run_files
    from mmdet_vis.run.workers import Workers

    workers = Workers.from_environment()
    if args.config is not None:  # what is wrong with it is said before what is wrong with weights
        args.early_config = workers.after_first(lambda: read_config(args))
    args.checkpoint = workers.after_first(lambda: find_checkpoint(args))
    config = workers.after_first(lambda: read_config(args))
    earlier = {"resume": args.resume, "overwrite": args.overwrite}
    run = Run(config, options=options, **given_model(args), save_dir=args.save_dir, **earlier, evaluate=args.eval)
    return run_dataset(run, workers) if args.input_dir is None else run_files(run, args.input_dir, workers)
