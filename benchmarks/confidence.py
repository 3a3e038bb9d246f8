"""Whether the confidence of a mask says how good it is, on clips with one annotated object; each part with and without.

The folder is laid out like DAVIS, see ``best_match.py``. In each clip the sequence that matches the object best is
looked at: Spearman's rank correlation of confidence and IoU over its frames (the mean over the clips, and over all
frames of all clips together), and the share of all bad frames (IoU < 0.5) that are among the tenth of all frames with
the lowest confidence; a tenth is what chance gives.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import annotated_clip, clip_parser
from mmdet_vis.api import load_model, segment_video
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.evaluation.davis.annotator import best_sequence
from mmdet_vis.evaluation.davis.best_match import mask_ious
from mmdet_vis.propose_reduce import confidence, pipeline
from mmdet_vis.structures import encode_masks

BAD = 0.5
Values = NDArray[np.float32]
PARTS = ("agreement", "class", "sharpness")


class Frames(NamedTuple):
    """What is known of the T frames of a clip's sequence: the parts of its confidence, and its IoU."""

    parts: list[NDArray[np.float32]]
    visible: NDArray[np.bool_]
    iou: NDArray[np.float64]


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks of numbers, equal ones sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two lists; NaN if one is constant."""
    x, y = (ranks(v) - ranks(v).mean() for v in (a, b))
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / scale) if scale else float("nan")


def share_found(values: NDArray[np.floating], iou: NDArray[np.floating], part: float = 0.1) -> float:
    """Share of the bad frames among that part of all frames which has the lowest values; NaN without a bad one."""
    lowest = np.argsort(values, kind="stable")[: max(round(part * len(values)), 1)]
    bad = iou < BAD
    return float(bad[lowest].sum() / bad.sum()) if bad.any() else float("nan")


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = clip_parser(__doc__)
    parser.add_argument("--profile", help="exact or fast (default: what the model recommends)")
    return parser.parse_args()


def run_clips(args: argparse.Namespace, clips: list[str]) -> list[Frames]:
    """The frames of each clip in which something was found."""
    model = load_model(args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options)
    recorded: list[tuple[tuple[Values, Values, Values], NDArray[np.bool_]]] = []

    def combine(agreement: Values, classes: Values, sharp: Values, visible: NDArray[np.bool_]) -> Values:
        recorded[:] = [((agreement, classes, sharp), visible)]
        return confidence.combine(agreement, classes, sharp, visible)

    pipeline.combine = combine
    found = []
    for clip in clips:
        frames, masks = annotated_clip(args.root, clip, args.every)
        truth = encode_masks(masks)
        result = segment_video(model, frames, score_thr=0.0, profile=args.profile)
        number = best_sequence(result, truth)
        if number is None:
            continue
        sequence = result.sequence(number)
        assert sequence.confidence is not None
        parts, visible = recorded[0]
        whole = confidence.combine(*parts, visible)
        row = next(i for i, values in enumerate(whole) if np.array_equal(values, sequence.confidence))
        found.append(Frames([p[row] for p in parts], visible[row], mask_ious(sequence.masks, truth)))
    return found


def combined(one: Frames, used: tuple[str, ...]) -> NDArray[np.float32]:
    """The confidence with some of its parts."""
    neutral = (np.full_like(one.parts[0], np.nan), np.ones_like(one.parts[1]), np.ones_like(one.parts[2]))
    a, c, s = (part if name in used else other for name, part, other in zip(PARTS, one.parts, neutral, strict=True))
    return confidence.combine(a[None], c[None], s[None], one.visible[None])[0]


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    clips = args.clips or sorted(p.name for p in (args.root / "JPEGImages").glob("*") if p.is_dir())
    if not clips:
        raise DatasetError(f"{args.root / 'JPEGImages'} holds no clips: give a folder laid out like DAVIS")
    found = run_clips(args, clips)
    if not found:
        raise DatasetError(f"{args.root}: nothing was found in any clip, so there is no confidence to look at")
    iou = np.concatenate([one.iou for one in found])
    print(f"{len(iou)} frames of {len(found)} clips, {int((iou < BAD).sum())} of them bad (IoU < {BAD})\n")
    print("| confidence from | rank correlation in a clip | over all frames | bad frames in the lowest tenth |")
    print("|---|---|---|---|")
    uses = [PARTS, *(tuple(p for p in PARTS if p != left) for left in PARTS), *((p,) for p in PARTS)]
    for used in uses:
        values = [combined(one, used) for one in found]
        whole = np.concatenate(values)
        inside = [spearman(v, one.iou) for v, one in zip(values, found, strict=True)]
        known = [value for value in inside if np.isfinite(value)]
        mean = np.mean(known) if known else float("nan")
        print(f"| {', '.join(used)} | {mean:.2f} | {spearman(whole, iou):.2f} | {share_found(whole, iou):.0%} |")


if __name__ == "__main__":
    run_command(main)
