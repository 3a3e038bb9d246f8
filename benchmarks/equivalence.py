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
from pycocotools import mask as coco_mask

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import KeepAll, build, comparison_arguments, machine, read_clip
from mmdet_vis.api import VISModel, engine_settings
from mmdet_vis.config.settings import build_settings
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.errors import ConfigError, run_command
from mmdet_vis.models.fast_conv import use_direct_convolutions, use_fast_convolutions
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import ProposeReduceSettings, key_frames, propose_reduce
from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.structures.masks import RLE, areas

FEATURE_BYTES = 2 * 2**30
SMALL = 100
"""Pixels up to which a mask is not compared."""

Sequences = tuple[list[list[RLE]], NDArray[np.float32]]


def proposed(model: VISModel, frames: list[NDArray[np.uint8]], key_num: int, profile: str = "exact") -> Sequences:
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


def compare(name: str, reference: Sequences, other: Sequences, score_thr: float) -> None:
    """Print how well the sequences of two runs agree."""
    best = reference[1][:, 1:].max(axis=1)
    chosen = [i for i in range(len(best)) if best[i] >= score_thr]
    found = f"{name:36} {len(chosen):3d} of {len(best)} sequences, the other run has {len(other[0])}"
    if not chosen or not other[0]:
        print(f"{found}: nothing to compare above score {score_thr}")
        return
    ious, differences = [], []
    for i in chosen:
        overlap = sequence_iou([reference[0][i], *other[0]])[0, 1:]
        match = int(overlap.argmax())
        for a, b in zip(reference[0][i], other[0][match], strict=True):
            # A few pixels in both say nothing; where only one is that small, the two differ.
            if max(areas([a, b])) > SMALL:
                ious.append(float(coco_mask.iou([a], [b], [0])[0, 0]))
        differences.append(abs(float(other[1][match, 1:].max()) - float(best[i])))
    score = f"score difference mean {np.mean(differences):.5f}, worst {np.max(differences):.5f}"
    if not ious:
        print(f"{found}; no mask above {SMALL} pixels; {score}")
        return
    print(f"{found}; per-frame mask IoU mean {np.mean(ious):.4f}, worst {np.min(ious):.4f}; {score}")


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
        from tests.plain import plain_propose

        keys = key_frames(len(frames), args.key_num)
        use_direct_convolutions(exact.network)
        with tf32_products(False):
            plain = plain_propose(exact.network, frames, exact.preprocess, keys)
        if exact.device.type == "cpu":
            use_fast_convolutions(exact.network)
        compare("engine float32 / plain", plain, reference, args.score_thr)
    compare("fast / float32", reference, proposed(exact, frames, args.key_num, "fast"), args.score_thr)
    for precision in args.precision:
        model = build(args.config, args.checkpoint, precision, args.device, {})
        compare(f"{precision} / float32", reference, proposed(model, frames, args.key_num), args.score_thr)


if __name__ == "__main__":
    run_command(main)
