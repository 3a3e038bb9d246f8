"""Write a trained network as one model file: weights with their config, for load_model(weights=FILE)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import add_config_arguments, find_checkpoint, read_config


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("target", type=Path, help="file to write, NAME.safetensors (it is replaced)")
    parser.add_argument("--half", action="store_true", help="store float16: half the size, three digits")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.weights.model_file import export_model

    size = export_model(read_config(args), find_checkpoint(args), args.target, args.half)
    print(f"{args.target}: {size / 1e6:.1f} MB")
