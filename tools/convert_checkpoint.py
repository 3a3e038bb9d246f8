#!/usr/bin/env python3
"""Convert a checkpoint: .pth to .safetensors or back. Only weights are kept, every tensor under its name."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Nothing in the source is executed: a file that holds Python objects besides weights is refused.",
    )
    parser.add_argument("source", type=Path, help="checkpoint to read, of torch.save or safetensors")
    parser.add_argument(
        "target", type=Path, help="file to write; its ending .safetensors, .pth or .pt says the format (it is replaced)"
    )
    return parser.parse_args()


def main() -> None:
    """Run the tool."""
    args = parse_args()
    from mmdet_vis.engine.checkpoint import convert_checkpoint

    number = convert_checkpoint(args.source, args.target)
    print(f"{args.target}: {number} tensors")


if __name__ == "__main__":
    run_command(main)
