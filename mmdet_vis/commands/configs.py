"""List the configs that come with the program, with their published figures, or print one as a single file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.commands.arguments import Parser, add_config_options, read_config

CATEGORY_AWARE = "CateAwareReduce"
"""Folder of the configs with category-aware reduction, which have the names of those without."""

NOTE = (
    "Published figures are the original project's, in percent (Lin et al., ICCV 2021, and its model zoo); those of "
    f"category-aware reduction are of the configs in {CATEGORY_AWARE}, with --use-cate-reduce --score-thr 0.001.\n"
    "Without --config and --weights, commands use the default model; its file carries its config."
)


@dataclass(frozen=True)
class Published:
    """What the original project published for a config; measured there, not here.

    Attributes:
        data: the benchmark.
        metric: ``AP`` or ``J&F``.
        figure: in percent.
        category_aware: the same with category-aware reduction; None: not published.
    """

    data: str
    metric: str
    figure: float
    category_aware: float | None = None


PUBLISHED = {
    "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 40.8, 42.5),
    "seq_mask_rcnn_r101_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 43.8, 45.2),
    "seq_mask_rcnn_x101_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 47.6, 48.8),
    "seq_mask_rcnn_r50_fpn_1x_youtubevis21_ftstage": Published("YouTube-VIS 2021", "AP", 39.6, 41.7),
    "seq_mask_rcnn_x101_fpn_1x_youtubevis21_ftstage": Published("YouTube-VIS 2021", "AP", 45.6, 47.2),
    "seq_mask_rcnn_r101_fpn_1x_davisuvos_ftstage": Published("DAVIS-UVOS", "J&F", 68.1),
    "seq_mask_rcnn_x101_fpn_1x_davisuvos_ftstage": Published("DAVIS-UVOS", "J&F", 70.6),
}
"""Figures by the name of the config (Lin et al., ICCV 2021, and the original project's model zoo)."""


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="Commands take these names from any folder: --config NAME. A config of your own starts from a printed "
        "one: %(prog)s NAME > my_config.py",
    )
    parser.add_argument("config", nargs="?", type=Path, metavar="NAME", help="print this config, its bases included")
    add_config_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    if args.config is not None:
        print(read_config(args).pretty_text, end="")
        return 0
    print(f"{table()}\n\n{NOTE}")
    return 0


def table() -> str:
    """The table of all configs."""
    from mmdet_vis.config.read import DEFAULT, load_config, shipped_configs
    from mmdet_vis.evaluation.tables import format_table

    rows = []
    for name, path in shipped_configs().items():
        config = load_config(path)
        aware = name.startswith(f"{CATEGORY_AWARE}/")
        published = PUBLISHED.get(name.removeprefix(f"{CATEGORY_AWARE}/"))
        figures = ["the default model" if name == DEFAULT else "", ""]
        if published is not None:
            numbers = (None if aware else published.figure, published.category_aware)
            figures = ["" if number is None else f"{number} {published.metric}" for number in numbers]
        rows.append([name, data_set(config), backbone(config.model.backbone), *figures])
    return format_table(["config", "data set", "backbone", "published", "category-aware"], rows)


def data_set(config: Mapping[str, Any]) -> str:
    """What a config is tested on, by the name that its dataset has."""
    name = str(config["test"]["dataset"].get("name", config["test"]["dataset"]["type"]))
    for part, title in TITLES.items():
        if name.startswith(part):
            return title
    return name


TITLES = {
    "youtube_vis_2019": "YouTube-VIS 2019",
    "youtube_vis_2021": "YouTube-VIS 2021",
    "youtube_vis_2022": "YouTube-VIS 2022",
    "davis_uvos": "DAVIS-UVOS",
    "ovis": "OVIS",
    "synthvis": "SynthVIS",
    "stills": "COCO stills",
}


def backbone(part: Mapping[str, Any]) -> str:
    """``ResNet-50``, ``ResNeXt-101 64x4d`` or the name of a timm model."""
    if "depth" not in part:
        return str(part.get("model_name", part["type"]))
    groups = f" {part['groups']}x{part['base_width']}d" if "groups" in part else ""
    return f"{part['type']}-{part['depth']}{groups}"
