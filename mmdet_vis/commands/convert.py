"""Turn annotations of another format into a YouTube-VIS annotation file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdet_vis.commands.arguments import positive

if TYPE_CHECKING:
    from mmdet_vis.data.converters.builder import YtvisBuilder

Options = Callable[[Any], None]
"""Adds a format's own options to a parser or a group of one."""


@dataclass(frozen=True)
class SourceFormat:
    """A format that can be read: what its help says, its options, and its converter.

    Attributes:
        description, epilog: of the command that reads this format alone.
        source: help of SOURCE.
        convert: gets the arguments and whether to show progress; imports what it needs itself, as ``--help`` must not
            wait for it.
        add_options: of its own.
    """

    description: str
    epilog: str
    source: str
    convert: Callable[[argparse.Namespace, bool], YtvisBuilder]
    add_options: Options = lambda parser: None


def _labelme(args: argparse.Namespace, progress: bool) -> YtvisBuilder:
    from mmdet_vis.data.converters.labelme import convert_labelme

    return convert_labelme(args.source, progress=progress)


def _cvat(args: argparse.Namespace, progress: bool) -> YtvisBuilder:
    from mmdet_vis.data.converters.cvat import convert_cvat

    return convert_cvat(args.source, progress=progress)


def _coco(args: argparse.Namespace, progress: bool) -> YtvisBuilder:
    from mmdet_vis.data.converters.coco import convert_coco

    return convert_coco(args.source, args.frames, progress=progress)


def _coco_options(parser: Any) -> None:
    parser.add_argument("--frames", type=positive, default=1, help="how often each image is repeated (default: 1)")


def _davis(args: argparse.Namespace, progress: bool) -> YtvisBuilder:
    from mmdet_vis.data.converters.davis import convert_davis, convert_index_pngs

    if args.pngs:
        return convert_index_pngs(args.source, args.images, category=args.category, progress=progress)
    return convert_davis(args.source, args.set_name, args.year, args.resolution, args.annotations, progress=progress)


def _davis_options(parser: Any) -> None:
    parser.add_argument("--pngs", action="store_true", help="SOURCE holds folders of index PNGs, not DAVIS")
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


SOURCE_FORMATS = {
    "labelme": SourceFormat(
        "Turn frames annotated with labelme into a YouTube-VIS annotation file.",
        "An object is all polygons of a video with one label and one group_id. file_names are relative to SOURCE.",
        "holds a folder of images and labelme JSON files per video",
        _labelme,
    ),
    "cvat": SourceFormat(
        'Turn CVAT exports ("CVAT for video 1.1", with images) into a YouTube-VIS annotation file.',
        "An object is a track of polygons or masks; tracks that were grouped in CVAT are one object. Boxes and other "
        "shapes are ignored. file_names are relative to SOURCE.",
        "holds an unpacked export (annotations.xml and images/) per video",
        _cvat,
    ),
    "davis": SourceFormat(
        "Turn DAVIS, or folders of index PNGs, into a YouTube-VIS annotation file.",
        "A pixel of value n belongs to object n of the video; 0 is background, 255 is ignored (in PNGs with no other "
        "number, it is the object). file_names are relative to JPEGImages/RESOLUTION of DAVIS, or to --images.",
        "the folder DAVIS; with --pngs, a folder with one folder of index PNGs per video",
        _davis,
        _davis_options,
    ),
    "coco": SourceFormat(
        "Turn COCO still images into videos of one frame (or one frame repeated) in the YouTube-VIS format.",
        "file_names stay as they are: use the image folder as img_prefix of the dataset.",
        "COCO instances JSON",
        _coco,
        _coco_options,
    ),
}


def build_parser(prog: str | None = None, source_format: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, for one format or for all."""
    if source_format is not None:
        known = SOURCE_FORMATS[source_format]
        parser = argparse.ArgumentParser(prog=prog, description=known.description, epilog=known.epilog)
        parser.add_argument("source", metavar="SOURCE", type=Path, help=known.source)
        parser.set_defaults(source_format=source_format)
        known.add_options(parser)
    else:
        parser = argparse.ArgumentParser(prog=prog, description=__doc__)
        parser.add_argument("source", metavar="SOURCE", type=Path, help="what to convert, see below")
        parser.add_argument(
            "--from", dest="source_format", required=True, choices=tuple(SOURCE_FORMATS), help="format of SOURCE"
        )
        for name, known in SOURCE_FORMATS.items():
            group = parser.add_argument_group(name, f"{known.description} SOURCE: {known.source}. {known.epilog}")
            known.add_options(group)
    parser.add_argument("target", metavar="TARGET", type=Path, help="JSON file to write; not into a folder of SOURCE's")
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None, source_format: str | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; None: those of the process.
        prog: how the command is called.
        source_format: the one to read; None: ``--from`` says it.
    """
    parser = build_parser(prog, source_format)
    args = parser.parse_args(arguments)
    if args.source_format == "davis" and not args.pngs and args.images is not None:
        parser.error("--images is for --pngs: DAVIS has its own folder of images")
    builder = SOURCE_FORMATS[args.source_format].convert(args, sys.stderr.isatty())
    builder.write(args.target)
    print(f"wrote {args.target}: {builder.summary()}")
    return 0
