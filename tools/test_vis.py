#!/usr/bin/env python3
"""Segment videos: every object as one sequence with a category, a score and a mask per frame."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_vis.engine.cli import add_config_arguments, add_engine_arguments, formats
from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: test_vis.py configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py "
        "pretrained/r50.pth --input-dir demo/inputs --save-dir demo/outputs",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--input-dir",
        type=Path,
        required=True,
        help="folder with videos (mp4, mov, avi, webm, mkv) "
        "and folders of frames (jpg, png, webp); or one such video or folder",
    )
    parser.add_argument("--save-dir", type=Path, required=True, help="where results go; created if need be")
    parser.add_argument(
        "--format",
        type=formats,
        default=formats("json,overlay,video"),
        metavar="LIST",
        help="comma-separated: json (SAVE/results.json), overlay (SAVE/NAME/*.jpg), video (SAVE/NAME.mp4), "
        "png (SAVE/NAME/*.png, indexed, as DAVIS wants them); default: json,overlay,video",
    )
    parser.add_argument(
        "--use-img",
        action="store_true",
        help="draw objects as the original demo does with this flag (70%% colour, 30%% image)",
    )
    parser.add_argument("--show-thr", type=float, default=0.2, help="draw sequences from this score on (default 0.2)")
    add_engine_arguments(parser)
    return parser.parse_args()


def main() -> int:
    """Run the tool; returns 3 if some of several videos could not be read."""
    args = parse_args()
    # torch is imported here: `--help` and mistyped arguments should not wait for it.
    from mmdet_vis.api import load_model
    from mmdet_vis.data.sources import find_inputs
    from mmdet_vis.engine.run_inputs import EXIT_SOME_FAILED, RunOptions, describe, run_inputs
    from mmdet_vis.evaluation.writers.files import ensure_writable_dir

    # What can be wrong with the arguments should show before the model is loaded.
    inputs = find_inputs(args.input_dir)
    ensure_writable_dir(args.save_dir)
    model = load_model(args.config, args.checkpoint, args.device, args.precision, args.cfg_options)
    options = RunOptions(
        key_num=args.key_num,
        mem_step=args.mem_step,
        use_cate_reduce=args.use_cate_reduce,
        feature_memory=args.feature_memory,
        score_thr=args.score_thr,
        show_thr=args.show_thr,
        use_img=args.use_img,
        formats=args.format,
    )
    summary = run_inputs(model, inputs, args.save_dir, options)
    print(describe(summary, args.save_dir, args.format))
    return EXIT_SOME_FAILED if summary.failures else 0


if __name__ == "__main__":
    run_command(main)
