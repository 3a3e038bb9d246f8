#!/usr/bin/env python3
"""How equal results are: the float32 engine against the plain statement; other precisions, `fast` against float32.

For each pair: mean and worst mask IoU per frame of the matched sequences, and the largest score difference. Sequences
of float32 with a score of at least --score-thr are matched to the best overlapping one of the other run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import R50, build, machine, read_clip
from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.propose_reduce import key_frames
from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.structures.masks import RLE

Sequences = tuple[list[list[RLE]], NDArray[np.float32]]


class KeepAll:
    """Stands in for the reduction and keeps every proposed sequence."""

    masks: list[list[RLE]]
    scores: NDArray[np.float32]

    def __call__(self, masks: list[list[RLE]], scores: NDArray[np.float32]) -> tuple[list[int], NDArray[np.float32]]:
        """Note what is proposed; keep nothing."""
        self.masks, self.scores = masks, scores
        return [], scores[:0]


def proposed(model: VISModel, frames: list[NDArray[np.uint8]], key_num: int, profile: str = "exact") -> Sequences:
    """All sequences of the engine before the reduction."""
    import mmdet_vis.api as api

    keep = KeepAll()
    original = api.build_settings

    def with_keep(*args: Any, **kwargs: Any) -> Any:
        settings = original(*args, **kwargs)
        settings.reduction = keep  # type: ignore[assignment]
        return settings

    api.build_settings = with_keep
    try:
        segment_video(model, ArraySource(frames), key_num=key_num, profile=profile)
    finally:
        api.build_settings = original
    return keep.masks, keep.scores


def compare(name: str, reference: Sequences, other: Sequences, score_thr: float) -> None:
    """Print how well the sequences of two runs agree."""
    best = reference[1][:, 1:].max(axis=1)
    chosen = [i for i in range(len(best)) if best[i] >= score_thr]
    ious, differences = [], []
    for i in chosen:
        overlap = sequence_iou([reference[0][i], *other[0]])[0, 1:]
        match = int(overlap.argmax())
        for a, b in zip(reference[0][i], other[0][match], strict=True):
            if coco_mask.area(a) > 100:
                ious.append(float(coco_mask.iou([a], [b], [0])[0, 0]))
        differences.append(abs(float(other[1][match, 1:].max()) - float(best[i])))
    if not ious:
        print(f"{name:28} no visible sequence reaches score {score_thr}")
        return
    print(
        f"{name:28} {len(chosen):3d} of {len(best)} sequences; per-frame mask IoU mean {np.mean(ious):.4f}, "
        f"worst {np.min(ious):.4f}; score difference mean {np.mean(differences):.5f}, worst {np.max(differences):.5f}"
    )


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, help="folder of frames or video")
    parser.add_argument("checkpoint", help="weights of the config")
    parser.add_argument("--config", default=R50)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--key-num", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="*", default=["bfloat16"])
    parser.add_argument("--score-thr", type=float, default=0.1)
    parser.add_argument("--no-plain", action="store_true")
    args = parser.parse_args()
    frames = read_clip(args.clip, args.frames)
    exact = build(args.config, args.checkpoint, "float32", args.device, {})
    print(machine(exact.device))
    reference = proposed(exact, frames, args.key_num)
    if not args.no_plain:
        from tests.plain import plain_propose

        with torch.device(exact.device):
            keys = key_frames(len(frames), args.key_num)
            plain = plain_propose(exact.network, frames, exact.preprocess, keys)
        compare("engine float32 / plain", plain, reference, args.score_thr)
    compare("fast / float32", reference, proposed(exact, frames, args.key_num, "fast"), args.score_thr)
    for precision in args.precision:
        model = build(args.config, args.checkpoint, precision, args.device, {})
        compare(f"{precision} / float32", reference, proposed(model, frames, args.key_num), args.score_thr)


if __name__ == "__main__":
    main()
