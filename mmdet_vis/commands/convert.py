"""Convert annotations or results from one format to another; what a source is, is found out.

What is left out or guessed is said, a line for each kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_davis_options, names, number, positive

READABLE = (
    "ytvis", "coco", "cocovid", "results", "result", "davis", "index", "colours", "objects", "mots", "kitti-mots",
    "mots-txt", "labelme", "cvat", "cvat-masks",
)  # fmt: skip
WRITABLE = tuple(name for name in READABLE if name not in ("results", "result", "cvat-masks"))


def build_parser(prog: str | None = None, source_format: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line; a tool's for one format has no ``--from`` and writes ``ytvis``."""
    parser = Parser(prog=prog, description=__doc__, epilog="docs/formats.md says what each format can hold.")
    parser.add_argument(
        "source", metavar="SOURCE", type=Path, help="annotations or results: a file, a folder, or a zip of one"
    )
    parser.add_argument("target", metavar="TARGET", type=Path, help="file or folder to write; not into one of SOURCE's")
    if source_format is None:
        parser.add_argument(
            "--from", dest="source_format", choices=READABLE, help="format of SOURCE (default: guessed)"
        )
        parser.add_argument(
            "--to", dest="target_format", choices=WRITABLE, help="format of TARGET (default: ytvis, for a .json file)"
        )
    else:
        parser.set_defaults(source_format=source_format, target_format="ytvis")
    reading = parser.add_argument_group("reading")
    if source_format == "davis":
        reading.add_argument("--pngs", action="store_true", help="SOURCE holds folders of PNGs, not DAVIS")
    reading.add_argument("--images", type=Path, metavar="DIR", help="folder of the frames, a folder per video")
    reading.add_argument("--category", default="object", help="of PNGs without categories (default: object)")
    add_davis_options(reading)
    reading.add_argument(
        "--annotations",
        default="Annotations_unsupervised",
        help="DAVIS: folder of the annotations (default: Annotations_unsupervised; Annotations: semi-supervised)",
    )
    reading.add_argument("--frames", type=positive, help="COCO: every image is a video, of so many equal frames")
    reading.add_argument("--ann-file", type=Path, help="of results: the annotations of their videos")
    reading.add_argument(
        "--score-thr", type=float, default=0.0, help="of results: sequences with a lower score are left out"
    )
    reading.add_argument(
        "--frames-to",
        type=Path,
        metavar="DIR",
        help="put the frames of the videos of --images, which may be video files then, into this folder",
    )
    part = parser.add_argument_group("what is kept")
    part.add_argument("--videos", type=names, metavar="A,B", help="these videos only")
    part.add_argument("--categories", type=names, metavar="A,B", help="objects of these categories only")
    apart = part.add_mutually_exclusive_group()
    apart.add_argument(
        "--val-share",
        type=number(float, lambda value: 0 < value < 1, "a number between 0 and 1"),
        metavar="X",
        help="keep this share of the videos apart, as TARGET with _val",
    )
    apart.add_argument("--val-videos", type=names, metavar="A,B", help="keep these videos apart, as TARGET with _val")
    part.add_argument("--annotated-only", action="store_true", help="leave out frames that nobody annotated")
    part.add_argument("--strict", action="store_true", help="leaving anything out, or guessing, is an error (exit 2)")
    parser.add_argument(
        "--overwrite", action="store_true", help="write into a folder TARGET that holds something already"
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None, source_format: str | None = None) -> int:
    """Run the command; a ``source_format`` is the one to read, else ``--from`` says it, or it is found out."""
    parser = build_parser(prog, source_format)
    args = parser.parse_args(arguments)
    if args.frames_to is not None and args.images is None:
        parser.error("--frames-to needs --images: the folder of the videos")
    if source_format == "davis" and not args.pngs and args.images is not None:
        parser.error("--images is for --pngs: DAVIS has its own folder of images")
    from mmdet_vis.data.converters import ReadOptions, Selection, convert
    from mmdet_vis.data.formats.mask_kinds import png_kind

    options = ReadOptions(
        images=args.images,
        category=args.category,
        annotations=args.ann_file,
        score_thr=args.score_thr,
        set_name=args.set_name,
        year=args.year,
        resolution=args.resolution,
        davis_annotations=args.annotations,
        repeat=args.frames,
        progress=sys.stderr.isatty(),
    )
    selection = Selection(args.videos, args.categories, args.annotated_only, args.val_share, args.val_videos)
    convert(
        args.source,
        args.target,
        png_kind(args.source) if getattr(args, "pngs", False) else args.source_format,
        args.target_format,
        options,
        selection,
        args.strict,
        frames_to=args.frames_to,
        overwrite=args.overwrite,
    )
    return 0
