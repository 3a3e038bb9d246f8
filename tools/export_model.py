#!/usr/bin/env python3
"""Write a trained network as one model file: weights with their config, for load_model(weights=FILE)."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_vis.errors import run_command
from mmdet_vis.run.cli import add_config_arguments, read_config


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("target", type=Path, help="file to write, NAME.safetensors (it is replaced)")
    parser.add_argument("--half", action="store_true", help="store float16: half the size, three digits")
    return parser.parse_args()


def main() -> None:
    """Run the tool."""
    args = parse_args()
    from mmdet_vis.weights.model_file import export_model

    size = export_model(read_config(args), args.checkpoint, args.target, args.half)
    print(f"{args.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main)
