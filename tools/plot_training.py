#!/usr/bin/env python3
"""Draw the losses and the validation AP of a training run."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_vis.errors import run_command


def main() -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: plot_training.py work_dirs/seq_mask_rcnn_lite0_synthvis --out curve.png"
    )
    parser.add_argument("work_dir", type=Path, help="--work-dir of train.py; all its resumptions are one curve")
    parser.add_argument("--out", type=Path, default=Path("curve.png"), help="PNG, PDF or SVG (default curve.png)")
    args = parser.parse_args()
    from mmdet_vis.training.curves import plot_training

    plot_training(args.work_dir, args.out)
    print(f"written: {args.out}")
    return 0


if __name__ == "__main__":
    run_command(main)
