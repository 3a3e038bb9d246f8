#!/usr/bin/env python3
"""How equal results are: the float32 engine against the plain statement; other precisions, `fast` against float32.

For each pair: mean and worst mask IoU per frame of the matched sequences, and the mean and worst score difference.
Sequences of the first run with a score of at least --score-thr are matched to the best overlapping one of the other;
frames count in which either mask has more than 100 pixels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import build, comparison_arguments, machine, read_clip
from mmdet_vis.api import VISModel, engine_settings
from mmdet_vis.baselines.agreement import Proposals, agreement
from mmdet_vis.baselines.plain import KeepAll, plain_propose
from mmdet_vis.config.load import build_settings
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.errors import ConfigError, run_command
from mmdet_vis.models.fast_conv import use_direct_convolutions, use_fast_convolutions
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import ProposeReduceSettings, key_frames, propose_reduce

FEATURE_BYTES = 2 * 2**30


def proposed(model: VISModel, frames: list[NDArray[np.uint8]], key_num: int, profile: str = "exact") -> Proposals:
    """All sequences of the engine before the reduction, at the network's resolution."""
    settings = build_settings(model.config, key_num, profile=profile)
    if not isinstance(settings, ProposeReduceSettings):
        raise ConfigError(f"{model.config.filename}: propose_reduce.method is not Propose-Reduce: leave it out")
    keep = KeepAll()
    settings.reduction = keep  # type: ignore[assignment]
    size = model.preprocess.geometry(*frames[0].shape[:2]).resized
    with tf32_products(model.precision.tf32):
        engine = engine_settings(model, FEATURE_BYTES)
        propose_reduce(model.network, ArraySource(frames), model.preprocess, size, settings, engine)
    return keep.masks, keep.scores


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    comparison_arguments(parser)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="*", default=["bfloat16"])
    parser.add_argument("--no-plain", action="store_true")
    args = parser.parse_args()
    frames = read_clip(args.clip, args.frames)
    exact = build(args.config, args.checkpoint, "float32", args.device, {})
    print(machine(exact.device))
    reference = proposed(exact, frames, args.key_num)
    if not args.no_plain:
        keys = key_frames(len(frames), args.key_num)
        use_direct_convolutions(exact.network)
        with tf32_products(False):
            plain = plain_propose(exact.network, frames, exact.preprocess, keys)
        if exact.device.type == "cpu":
            use_fast_convolutions(exact.network)
        print(agreement("engine float32 / plain", plain, reference, args.score_thr))
    fast = proposed(exact, frames, args.key_num, "fast")
    print(agreement("fast / float32", reference, fast, args.score_thr))
    for precision in args.precision:
        model = build(args.config, args.checkpoint, precision, args.device, {})
        found = proposed(model, frames, args.key_num)
        print(agreement(f"{precision} / float32", reference, found, args.score_thr))


if __name__ == "__main__":
    run_command(main)
