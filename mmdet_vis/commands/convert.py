"""Convert annotations or results from one format to another; what a source is, is found out.

What is left out or guessed is said, a line for each kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.commands.arguments import positive
from mmdet_vis.commands.original import Parser

READABLE = (
    "ytvis", "coco", "cocovid", "results", "result", "davis", "index", "colours", "objects", "mots", "kitti-mots",
    "mots-txt", "labelme", "cvat", "cvat-masks",
)  # fmt: skip
WRITABLE = tuple(name for name in READABLE if name not in ("results", "result", "cvat-masks"))


@dataclass(frozen=True)
class Door:
    """A tool that reads one format alone: its help and the options that it has besides SOURCE and TARGET."""

    description: str
    epilog: str
    source: str
    options: tuple[str, ...] = ()


DOORS = {
    "labelme": Door(
        "Turn frames annotated with labelme into a YouTube-VIS annotation file.",
        "An object is all polygons and masks of a video with one label and one group_id. file_names are relative to "
        "SOURCE.",
        "holds a folder of images and labelme JSON files per video",
    ),
    "cvat": Door(
        'Turn CVAT exports ("CVAT for video 1.1", with images) into a YouTube-VIS annotation file.',
        "An object is a track of polygons or masks; tracks that were grouped in CVAT are one object. Boxes and other "
        "shapes are left out. file_names are relative to SOURCE.",
        "holds an unpacked export (annotations.xml and images/) per video",
    ),
    "davis": Door(
        "Turn DAVIS, or folders of PNGs with masks, into a YouTube-VIS annotation file.",
        "A pixel of value n belongs to object n of the video; 0 is background, 255 is of no object (in PNGs with no "
        "other number, it is the object). Colours and the numbers of MOTS are known, too. file_names are relative to "
        "JPEGImages/RESOLUTION of DAVIS, or to --images.",
        "the folder DAVIS; with --pngs, a folder with one folder of PNGs per video",
        ("pngs", "images", "category", "davis"),
    ),
    "coco": Door(
        "Turn COCO still images into videos of one frame (or one frame repeated) in the YouTube-VIS format; images of "
        "a file whose objects have a track_id are frames of videos, unless there is --frames.",
        "file_names stay as they are: use the image folder as img_prefix of the dataset.",
        "COCO instances JSON",
        ("frames",),
    ),
}


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_options(parser: Any, options: Sequence[str]) -> None:
    """Options of readers, by their groups."""
    if "pngs" in options:
        parser.add_argument("--pngs", action="store_true", help="SOURCE holds folders of PNGs, not DAVIS")
    if "images" in options:
        parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the frames, a folder per video")
    if "category" in options:
        parser.add_argument("--category", default="object", help="of PNGs without categories (default: object)")
    if "davis" in options:
        parser.add_argument("--set", default="val", dest="set_name", help="DAVIS: list in ImageSets (default: val)")
        parser.add_argument("--year", type=int, help="DAVIS: folder in ImageSets (default: 2017; of test sets 2019)")
        parser.add_argument("--resolution", default="480p", help="DAVIS: 480p (default) or Full-Resolution")
        parser.add_argument(
            "--annotations",
            default="Annotations_unsupervised",
            help="DAVIS: folder of the annotations (default: Annotations_unsupervised; Annotations: semi-supervised)",
        )
    if "frames" in options:
        parser.add_argument("--frames", type=positive, help="COCO: every image is a video, of so many equal frames")
    if "results" in options:
        parser.add_argument("--ann-file", type=Path, help="of results: the annotations of their videos")
        parser.add_argument(
            "--score-thr", type=float, default=0.0, help="of results: sequences with a lower score are left out"
        )


def build_parser(prog: str | None = None, source_format: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, for one format (a tool's) or for all."""
    door = None if source_format is None else DOORS[source_format]
    parser = Parser(
        prog=prog,
        description=__doc__ if door is None else door.description,
        epilog="docs/formats.md says what each format can hold." if door is None else door.epilog,
    )
    source = "annotations or results: a file, a folder, or a zip of one" if door is None else door.source
    parser.add_argument("source", metavar="SOURCE", type=Path, help=source)
    parser.add_argument("target", metavar="TARGET", type=Path, help="file or folder to write; not into one of SOURCE's")
    if door is None:
        parser.add_argument(
            "--from", dest="source_format", choices=READABLE, help="format of SOURCE (default: guessed)"
        )
        parser.add_argument(
            "--to", dest="target_format", choices=WRITABLE, help="format of TARGET (default: ytvis, for a .json file)"
        )
        reading = parser.add_argument_group("reading")
        _add_options(reading, ("images", "category", "davis", "frames", "results"))
        reading.add_argument(
            "--frames-to",
            type=Path,
            metavar="DIR",
            help="put the frames of the videos of --images, which may be video files then, into this folder",
        )
        part: Any = parser.add_argument_group("what is kept")
        part.add_argument("--videos", type=_names, metavar="A,B", help="these videos only")
        part.add_argument("--categories", type=_names, metavar="A,B", help="objects of these categories only")
        parser.add_argument(
            "--overwrite", action="store_true", help="write into a folder TARGET that holds something already"
        )
        apart = part.add_mutually_exclusive_group()
        apart.add_argument(
            "--val-share", type=_share, metavar="X", help="keep this share of the videos apart, as TARGET with _val"
        )
        apart.add_argument(
            "--val-videos", type=_names, metavar="A,B", help="keep these videos apart, as TARGET with _val"
        )
    else:
        part = parser
        parser.set_defaults(source_format=source_format, target_format="ytvis")
        _add_options(parser, door.options)
    part.add_argument("--annotated-only", action="store_true", help="leave out frames that nobody annotated")
    part.add_argument("--strict", action="store_true", help="leaving anything out, or guessing, is an error (exit 2)")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None, source_format: str | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None: those of the process.
        prog: how the command is called.
        source_format: the one to read; None: ``--from`` says it, or it is found out.
    """
    parser = build_parser(prog, source_format)
    args = parser.parse_args(arguments)
    if vars(args).get("frames_to") is not None and args.images is None:
        parser.error("--frames-to needs --images: the folder of the videos")
    from mmdet_vis.data.converters import ReadOptions, Selection, convert

    given = vars(args)
    if source_format == "davis":
        if not args.pngs and args.images is not None:
            parser.error("--images is for --pngs: DAVIS has its own folder of images")
        if args.pngs:
            from mmdet_vis.data.formats.mask_kinds import png_kind

            args.source_format = png_kind(args.source)
    names = {"images", "category", "score_thr", "set_name", "year", "resolution"}
    options = ReadOptions(
        annotations=given.get("ann_file"),
        davis_annotations=given.get("annotations", "Annotations_unsupervised"),
        repeat=given.get("frames"),
        progress=sys.stderr.isatty(),
        **{name: given[name] for name in names if name in given},
    )
    parts = ("videos", "categories", "annotated_only", "val_share", "val_videos")
    selection = Selection(**{name: given[name] for name in parts if name in given})
    formats = args.source_format, args.target_format
    overwrite = given.get("overwrite", False)
    frames_to = given.get("frames_to")
    convert(
        args.source, args.target, *formats, options, selection, args.strict, frames_to=frames_to, overwrite=overwrite
    )
    return 0
