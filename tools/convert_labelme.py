#!/usr/bin/env python3
"""Turn frames annotated with labelme into a YouTube-VIS annotation file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_vis.data.converters.labelme import convert_labelme
from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An object is all polygons of a video with one label and one group_id. file_names are relative to ROOT.",
    )
    parser.add_argument("root", type=Path, help="holds a folder of images and labelme JSON files per video")
    parser.add_argument("out", type=Path, help="JSON file to write; not into a folder of labelme files")
    return parser.parse_args()


def main() -> int:
    """Run the tool."""
    args = parse_args()
    builder = convert_labelme(args.root, progress=sys.stderr.isatty())
    builder.write(args.out)
    print(f"wrote {args.out}: {builder.summary()}")
    return 0


if __name__ == "__main__":
    run_command(main)
