#!/usr/bin/env python3
"""Turn COCO still images into videos of one frame (or one frame repeated) in the YouTube-VIS format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_vis.data.converters.coco import convert_coco
from mmdet_vis.errors import run_command


def _frames(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="file_names stay as they are: use the image folder as img_prefix of the dataset."
    )
    parser.add_argument("ann_file", type=Path, help="COCO instances JSON")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--frames", type=_frames, default=1, help="how often each image is repeated (default: 1)")
    return parser.parse_args()


def main() -> int:
    """Run the tool."""
    args = parse_args()
    builder = convert_coco(args.ann_file, args.frames, progress=sys.stderr.isatty())
    builder.write(args.out)
    print(f"wrote {args.out}: {builder.summary()}")
    return 0


if __name__ == "__main__":
    run_command(main)
