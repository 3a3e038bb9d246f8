"""What corrections are worth, on clips with one annotated object: a simulated annotator, and a given first frame.

The folder is laid out like DAVIS, see ``best_match.py``. The worst frame of the sequence that matches the object best
is corrected with its true mask, the correction is carried through the clip, and so on: J after 0, 1, 2, 3 and 5
corrections, beside those in which each corrects its own frame alone, and the time of a correction beside that of the
first run (on the CPU the processor's own, whatever else runs there). Then the same clips with the true mask of the
first frame given and nothing else (semi-supervised): J without that frame.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import annotated_clip, clip_parser
from mmdet_vis.api import Prompt, Session, VideoResult, VISModel, load_model
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.evaluation.davis.annotator import Corrections, annotate
from mmdet_vis.evaluation.davis.best_match import mask_ious
from mmdet_vis.structures import encode_masks

SHOWN = (0, 1, 2, 3, 5)
"""Numbers of corrections in the table."""


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = clip_parser(__doc__)
    parser.add_argument("--feature-memory", default="8GB", help="features kept from call to call (default 8GB)")
    return parser.parse_args()


class ClipRun(NamedTuple):
    """A clip's corrections (None if nothing was found), its times in seconds, and J with the first frame given."""

    frames: int
    found: Corrections | None
    first: float
    correction: float
    given: float
    per_frame: float


def run_clip(model: VISModel, args: argparse.Namespace, clip: str) -> ClipRun:
    """Segment and correct a clip, then follow the object of its first frame."""
    frames, masks = annotated_clip(args.root, clip, args.every)
    truth = encode_masks(masks)
    times: list[float] = []
    clock = time.process_time if model.device.type == "cpu" else time.perf_counter
    with Session(model, frames, args.feature_memory) as session:
        start = clock()
        result = session.segment()
        first = clock() - start

        def correct(result: VideoResult, track_id: int, frame: int) -> VideoResult:
            before = clock()
            corrected = session.refine(result, [Prompt(frame, mask=masks[frame], id=track_id)])
            times.append(clock() - before)
            return corrected

        found = annotate(result, truth, correct, min(max(SHOWN), len(frames))) if result.sequences else None
    start = clock()
    with Session(model, frames, args.feature_memory) as session:
        alone = session.segment([Prompt(0, mask=masks[0])], propose=False).sequences[0]
    seconds = (clock() - start) / len(frames)
    given = float(mask_ious(alone.masks, truth)[1:].mean())
    return ClipRun(len(frames), found, first, float(np.mean(times)) if times else 0.0, given, seconds)


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    clips = args.clips or sorted(p.name for p in (args.root / "JPEGImages").glob("*") if p.is_dir())
    if not clips:
        raise DatasetError(f"{args.root / 'JPEGImages'} holds no clips: give a folder laid out like DAVIS")
    model = load_model(args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options)
    columns = [*(f"J after {n}" for n in SHOWN), *(f"by hand {n}" for n in SHOWN[1:])]
    print(f"| clip | frames | {' | '.join(columns)} | corrected frames | first run, s | a correction, s | share |")
    print("|---" * (len(columns) + 6) + "|")
    rows, runs = [], []
    for clip in clips:
        run = run_clip(model, args, clip)
        runs.append(run)
        if run.found is None:
            print(f"| {clip} | {run.frames} | nothing found {'| ' * (len(columns) + 4)}|", flush=True)
            continue
        last = len(run.found.carried) - 1
        shown = [min(n, last) for n in SHOWN]
        rows.append([*run.found.carried[shown], *run.found.by_hand[shown[1:]]])
        print(
            f"| {clip} | {run.frames} | {' | '.join(f'{100 * v:.1f}' for v in rows[-1])} | "
            f"{', '.join(map(str, run.found.frames))} | {run.first:.1f} | {run.correction:.2f} | "
            f"{run.correction / run.first:.0%} |",
            flush=True,
        )
    if rows:
        share = np.mean([run.correction / run.first for run in runs if run.found is not None])
        print(f"| mean | | {' | '.join(f'{100 * v:.1f}' for v in np.mean(rows, axis=0))} | | | | {share:.0%} |")
    print("\n| first frame given | J | seconds per frame |\n|---|---|---|")
    for clip, run in zip(clips, runs, strict=True):
        print(f"| {clip} | {100 * run.given:.1f} | {run.per_frame:.3f} |")
    print(f"| mean | {100 * np.mean([r.given for r in runs]):.1f} | {np.mean([r.per_frame for r in runs]):.3f} |")


if __name__ == "__main__":
    run_command(main)
