#!/usr/bin/env python3
"""Make an animated picture of the demo's results: what it drew on each input, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.commands.arguments import positive
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import OutputError, run_command
from mmdet_vis.files.atomic import temporary_path


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="mp4 files or folders of overlays, as in demo/outputs")
    parser.add_argument("--out", type=Path, required=True, help="picture to write, .gif or .webp")
    parser.add_argument("--width", type=positive, default=360, help="of each video in pixels (360)")
    parser.add_argument("--every", type=positive, default=2, metavar="N", help="use every N-th frame (2)")
    parser.add_argument("--fps", type=positive, default=6, help="frames per second of the picture (6)")
    return parser.parse_args()


def shrink(frames: list[NDArray[np.uint8]], width: int) -> list[NDArray[np.uint8]]:
    """Frames ``[H, W, 3]`` at another width."""
    height = round(width * frames[0].shape[0] / frames[0].shape[1])
    return [np.asarray(cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for f in frames]


def main() -> None:
    """Run the tool."""
    args = parse_args()
    if args.out.suffix.lower() not in {".gif", ".webp"}:
        raise OutputError(f"cannot write {args.out}: its name must end in .gif or .webp")
    videos = []
    for path in args.results:
        with open_source(path) as source:
            videos.append(shrink(source.read(0, len(source))[:: args.every], args.width))
    height = min(video[0].shape[0] for video in videos)
    pictures = []
    for cells in zip(*videos, strict=False):  # as long as the shortest
        row = np.hstack([cell[:height] for cell in cells])
        pictures.append(Image.fromarray(cv2.cvtColor(row, cv2.COLOR_BGR2RGB)))
    with temporary_path(args.out) as temporary:
        pictures[0].save(
            temporary, format=args.out.suffix[1:], save_all=True, append_images=pictures[1:],
            duration=1000 // args.fps, loop=0,
        )  # fmt: skip
    print(f"{args.out}: {len(pictures)} frames, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main)
