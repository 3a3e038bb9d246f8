#!/usr/bin/env python3
"""Turn DAVIS, or folders of index PNGs, into a YouTube-VIS annotation file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmdet_vis.data.converters.davis import convert_davis, convert_index_pngs
from mmdet_vis.errors import run_command


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="A pixel of value n belongs to object n of the video; 0 is background, 255 is ignored "
        "(in PNGs with no other number, it is the object). file_names are "
        "relative to JPEGImages/RESOLUTION of DAVIS, or to --images.",
    )
    parser.add_argument(
        "root", type=Path, help="the folder DAVIS; with --pngs, a folder with one folder of index PNGs per video"
    )
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--pngs", action="store_true", help="ROOT holds folders of index PNGs, not DAVIS")
    parser.add_argument("--images", type=Path, help="with --pngs: the folder with one folder of frames per video")
    parser.add_argument("--category", default="object", help="with --pngs: name of the category (default: object)")
    parser.add_argument("--set", default="val", dest="set_name", help="DAVIS: list in ImageSets (default: val)")
    parser.add_argument("--year", type=int, help="DAVIS: folder in ImageSets (default: 2017; of test sets 2019)")
    parser.add_argument("--resolution", default="480p", help="DAVIS: 480p (default) or Full-Resolution")
    parser.add_argument(
        "--annotations",
        default="Annotations_unsupervised",
        help="DAVIS: folder of the annotations (default: Annotations_unsupervised; Annotations: semi-supervised)",
    )
    args = parser.parse_args()
    if not args.pngs and args.images is not None:
        parser.error("--images is for --pngs: DAVIS has its own folder of images")
    return args


def main() -> int:
    """Run the tool."""
    args = parse_args()
    progress = sys.stderr.isatty()
    if args.pngs:
        builder = convert_index_pngs(args.root, args.images, category=args.category, progress=progress)
    else:
        builder = convert_davis(
            args.root, args.set_name, args.year, args.resolution, args.annotations, progress=progress
        )
    builder.write(args.out)
    print(f"wrote {args.out}: {builder.summary()}")
    return 0


if __name__ == "__main__":
    run_command(main)
