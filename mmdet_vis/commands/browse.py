"""Draw training samples as the network gets them: augmented frames side by side with masks, ids, boxes and classes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.commands.arguments import Parser, add_config_options, positive, read_config, seed
from mmdet_vis.errors import counted

# Clips per picture.
ROWS = 6


def build_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = Parser(
        prog=prog,
        description=__doc__,
        epilog="Regions that are ignored in training are hatched. The samples are those of the first batches of a "
        "training run with this seed and config (on several processes: with --cfg-options train.batch_size=the sum of "
        "theirs).",
    )
    parser.add_argument("config", type=Path, help="config with train.dataset (it is run as code)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for samples_000.png, ...")
    parser.add_argument("--num", type=positive, default=12, metavar="N", help="number of samples (default 12)")
    parser.add_argument("--seed", type=seed, default=0, help="of the sampler and of all random choices (default 0)")
    add_config_options(parser)
    return parser


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command."""
    args = build_parser(prog).parse_args(arguments)
    from itertools import chain, islice

    import cv2

    from mmdet_vis.data.clips import ClipSampler
    from mmdet_vis.data.clips.pictures import draw_clips
    from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
    from mmdet_vis.progress import with_bar
    from mmdet_vis.training.setup import build_training_dataset, clips_per_step

    config = read_config(args)
    dataset = build_training_dataset(config)
    out = ensure_writable_dir(args.out)
    keys = islice(chain.from_iterable(ClipSampler(dataset, clips_per_step(config), args.seed)), args.num)
    progress = with_bar(keys, "samples", args.num)
    number = 0
    while rows := [dataset[key] for key in islice(progress, ROWS)]:
        path = out / f"samples_{number:03d}.png"
        atomic_write(path, cv2.imencode(".png", draw_clips(rows, dataset.categories))[1].tobytes())
        print(f"{path}: {counted(len(rows), 'sample')}")
        number += 1
    return 0
