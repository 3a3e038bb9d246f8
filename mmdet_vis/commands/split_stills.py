"""Split COCO stills into images to train on and held-out images to measure AP on, with the classes of a config."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_config_options, positive, read_config
from mmdet_vis.errors import ConfigError, counted


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="writes to DIR: train.json (COCO, categories as they are), train_partial.json (the same of images of "
        "which only some objects are annotated), val_coco.json (COCO, the config's classes) and val.json (the same as "
        "videos of one frame in the YouTube-VIS format, for mmdet-vis segment --eval)",
    )
    parser.add_argument("config", type=Path, help="config with categories and category_map")
    parser.add_argument("ann_file", type=Path, help="COCO instances JSON")
    parser.add_argument("out", type=Path, metavar="DIR", help="folder for the files")
    parser.add_argument(
        "--held-out", type=positive, default=60, help="images to measure on, all of whose objects are annotated (60)"
    )
    add_config_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from mmdet_vis.config.load import categories_of
    from mmdet_vis.data.converters.split import split_stills
    from mmdet_vis.data.formats.annotated import ReadOptions
    from mmdet_vis.data.formats.coco_json import read_coco
    from mmdet_vis.data.formats.ytvis_json import write_ytvis
    from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir

    config = read_config(args)
    if "categories" not in config:
        raise ConfigError(f"{args.config} has no categories: name the classes of the model there")
    training, partial, measuring = split_stills(
        args.ann_file, args.held_out, categories_of(config), config.get("category_map")
    )
    ensure_writable_dir(args.out)
    for name, content in (("train.json", training), ("train_partial.json", partial), ("val_coco.json", measuring)):
        atomic_write(args.out / name, json.dumps(content).encode())
        held = f"{counted(len(content['images']), 'image')}, {counted(len(content['annotations']), 'object')}"
        print(f"{args.out / name}: {held}")
    found = read_coco(args.out / "val_coco.json", ReadOptions(progress=sys.stderr.isatty(), repeat=1))
    write_ytvis(found, args.out / "val.json")
    print("\n".join([f"{args.out / 'val.json'}: {found.summary()}", *found.notes.lines()]))
    return 0
