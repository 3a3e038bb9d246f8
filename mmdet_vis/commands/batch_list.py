"""Make the list of the videos of a folder or an address that ``mmdet-vis batch`` takes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser
from mmdet_vis.errors import counted


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=f"{__doc__}  All folders below are searched for video files and for folders of images; each row "
        "has an id, the place, frames and seconds as the header says, and the size.",
        epilog="examples: %(prog)s /data/videos; %(prog)s s3://bucket/videos --out videos.parquet",
    )
    parser.add_argument("place", metavar="FOLDER|URI", help="folder, or an address (s3://, gs://, hf://, ...)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("videos.jsonl"),
        help="the list to write, .jsonl, .csv or .parquet (default videos.jsonl)",
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.batch.manifest import check_ending, list_videos, write_manifest

    check_ending(str(args.out))
    entries = list_videos(args.place)
    write_manifest(args.out, entries)
    frames, seconds = (sum(getattr(entry, key) or 0 for entry in entries) for key in ("frames", "seconds"))
    unknown = sum(entry.frames is None for entry in entries)
    size = sum(entry.bytes or 0 for entry in entries) / 2**30
    found = f"{counted(len(entries), 'video')}, {counted(frames, 'frame')}"
    print(f"{args.out}: {found}, {seconds / 3600:.2f} h, {size:.2f} GB")
    if unknown:
        print(f"{unknown} of them have no length: their headers do not say it, or cannot be read")
    return 0
