#!/usr/bin/env python3
"""Turn CVAT exports ("CVAT for video 1.1", with images) into a YouTube-VIS annotation file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_vis.data.converters.cvat import convert_cvat
from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="An object is a track of polygons or masks; tracks that were grouped in CVAT are one object. Boxes and "
        "other shapes are ignored. file_names are relative to ROOT.",
    )
    parser.add_argument("root", type=Path, help="holds an unpacked export (annotations.xml and images/) per video")
    parser.add_argument("out", type=Path, help="JSON file to write")
    return parser.parse_args()


def main() -> int:
    """Run the tool."""
    args = parse_args()
    builder = convert_cvat(args.root, progress=sys.stderr.isatty())
    builder.write(args.out)
    print(f"wrote {args.out}: {builder.summary()}")
    return 0


if __name__ == "__main__":
    run_command(main)
