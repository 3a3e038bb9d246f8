"""Write a trained network as one model file, or as graphs for other runtimes.

A model file (NAME.safetensors) holds weights with their config, for load_model(weights=FILE). Graphs (a folder, --to
onnx, openvino or torch-export) are compared with PyTorch one by one as they are written; `segment --weights FOLDER
--runtime onnxruntime` runs them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_vis.choices import EXPORTS
from mmdet_vis.commands.arguments import (
    Parser,
    add_config_arguments,
    check_early,
    find_checkpoint,
    frame_size,
    positive,
    read_config,
)

if TYPE_CHECKING:
    from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser)
    parser.add_argument(
        "target",
        type=Path,
        help="NAME.safetensors, or the folder of the graphs; what is there of that name is replaced",
    )
    parser.add_argument("--to", choices=EXPORTS, default="safetensors", help="what to write (default safetensors)")
    parser.add_argument("--half", action="store_true", help="safetensors in float16: half the size, three digits")
    parser.add_argument(
        "--size",
        type=frame_size(32),
        default=(512, 288),
        metavar="WxH",
        help="size of the padded images for torch-export, whose graphs have one size: multiples of 32 (512x288)",
    )
    parser.add_argument(
        "--int8",
        nargs="+",
        metavar="CLIP",
        help="with --to onnx: also write what is done for every frame and object in whole numbers, for --precision "
        "int8; their ranges come from these videos or folders of frames, which should be like those to come",
    )
    parser.add_argument(
        "--int8-frames", type=positive, default=24, metavar="N", help="frames of each clip for --int8, in a row (24)"
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Run the command."""
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    if args.to != "safetensors" and args.half:
        parser.error("--half is for --to safetensors")
    if args.int8 and args.to != "onnx":
        parser.error("--int8 is for --to onnx")
    check_early(args)
    if args.to == "safetensors":
        from mmdet_vis.weights.model_file import export_model

        written = export_model(read_config(args), find_checkpoint(args), args.target, args.half)
        print(f"{args.target}: {written / 1e6:.1f} MB")
        return
    from mmdet_vis.api import load_model, segment_video
    from mmdet_vis.config.load import build_model
    from mmdet_vis.data.datasets import open_video
    from mmdet_vis.weights.checkpoint import load_checkpoint
    from mmdet_vis.weights.graph_files import export_graphs

    config, checkpoint = read_config(args), find_checkpoint(args)
    clips = [open_video(clip) for clip in args.int8 or ()]  # before anything is computed
    network = build_model(config, init=False)
    load_checkpoint(network, checkpoint)

    def segment(network: SeqMaskRCNN) -> None:
        model = replace(load_model(config, None, "cpu", "float32"), network=network)
        for clip in clips:
            segment_video(model, clip.read(0, min(args.int8_frames, len(clip))))

    # Not before it is known that the folder can be written.
    heading = ["graph          largest difference from PyTorch\n"]

    def report(name: str, difference: float) -> None:
        print(f"{heading.pop() if heading else ''}{name:14s} {difference:.1e}", flush=True)

    padded = args.size[1], args.size[0]
    export_graphs(network, config, args.target, args.to, padded, report, segment if clips else None)
    total = sum(path.stat().st_size for path in args.target.iterdir())
    print(f"{args.target}: {total / 1e6:.1f} MB")
