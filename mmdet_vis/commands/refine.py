"""Correct a result: the frames that a person corrected are carried through the video, all else stays as it is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import (
    Parser,
    add_model_options,
    check_model_options,
    undo_launcher_threads,
    use_threads,
)
from mmdet_vis.commands.run_arguments import PROMPT_FORMS, add_engine_arguments, add_output_arguments, given_options
from mmdet_vis.commands.segment import on_videos

SAVE_DIR = Path("mmdet_vis_refined")
"""Where results go unless a command line says it; not where those of ``segment`` are, which stay."""


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog='example: %(prog)s out/clip.result.json clip.mp4 --corrections fixes.json, with [{"type": "delete", '
        '"id": 3}, {"type": "rename", "id": 1, "category": "dog"}, {"frame": 12, "id": 1, "mask": "00012.png"}] in '
        "fixes.json. Other types: split (id, frame), merge (ids), swap (a, b, frame), not_visible (id, first, last).",
    )
    parser.add_argument("result", type=Path, help="NAME.result.json of segment, or another file of VideoResult.save()")
    parser.add_argument("video", type=Path, help="the video, or folder of frames, that it is of")
    parser.add_argument("--corrections", type=Path, metavar="FILE", help="JSON file: a list of corrections, in order")
    parser.add_argument(
        "--prompt",
        action="append",
        metavar="PROMPT",
        help=f"an object to show: {PROMPT_FORMS}; may be given again",
    )
    add_model_options(parser.add_argument_group("model"))
    help_text = (
        "comma-separated: json (SAVE/results.json), overlay (SAVE/NAME/*.jpg), video (SAVE/NAME.mp4), "
        "png (SAVE/NAME/*.png), result (SAVE/NAME.result.json, to correct again); default: json,video,result"
    )
    add_output_arguments(parser, SAVE_DIR, help_text)
    parser.add_argument("--resume", action="store_true", help="do nothing if SAVE holds what this command would write")
    add_engine_arguments(parser, proposes=False)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    check_model_options(parser, args)
    if args.corrections is None and not args.prompt:
        parser.error("nothing to correct: give --corrections or --prompt")
    for option in ("key_num", "use_cate_reduce", "profile"):
        if getattr(args, option):
            parser.error(f"--{option.replace('_', '-')} is for segment: a result is corrected, nothing is proposed")
    undo_launcher_threads()
    use_threads(args.threads)
    from mmdet_vis.corrections.check import check_corrections
    from mmdet_vis.corrections.files import naming, read_given
    from mmdet_vis.result import VideoResult

    corrections, names = read_given(args.corrections, args.prompt or ())
    with naming(names):  # before the model is loaded
        check_corrections(VideoResult.load(args.result), corrections)
    formats = args.format or ("json", "video", "result")
    options = given_options(args, formats=formats, refined=args.result, corrections=corrections)
    args.input_dir, args.overwrite, args.eval = [args.video], False, False
    with naming(names):
        return on_videos(args, options)
