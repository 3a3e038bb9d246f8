"""How well a model segments real clips with one annotated object: J of the best-matching sequence, per clip.

A folder is laid out like DAVIS: JPEGImages/CLIP/*.jpg and Annotations/CLIP/*.png, where any value but 0 is the
object. All sequences of a clip are compared with the annotation; the one with the largest mean IoU over the
clip counts (the first frame included). That says whether the object was found and followed, not whether the score ranks
it first, so the rank and the score are in the table too. As rider and vehicle may be annotated as one, the best union
of at most three sequences is beside it. Intervals are over clips, by the bootstrap.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import annotated_clip, clip_parser
from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.choices import PROFILES, RUNTIME_PRECISIONS, RUNTIMES
from mmdet_vis.commands.arguments import positive
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.evaluation.davis.best_match import ClipScore, score_clip
from mmdet_vis.evaluation.resampling import find_differences, interval_table, intervals, sentence
from mmdet_vis.evaluation.weighted import WeightedMeans
from mmdet_vis.structures import VideoResult
from mmdet_vis.visualization.overlay import render_frames

HEADER = "| clip | J | worst frame | best union | category | score | rank | sequences | frames/s |"


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = clip_parser(__doc__, several=True, precisions=RUNTIME_PRECISIONS)
    parser.add_argument("--runtime", choices=RUNTIMES, default="torch", help="what computes the network (torch)")
    parser.add_argument(
        "--profile", nargs="+", choices=PROFILES, help="default: what the model recommends; two are compared"
    )
    parser.add_argument("--key-num", type=positive, help="key frames (default: the config's)")
    parser.add_argument("--sheet", type=Path, help="also write a picture: frames of each clip with what was found")
    return parser.parse_args()


def find_clips(roots: Sequence[Path], names: Sequence[str] | None) -> list[tuple[Path, str]]:
    """Folders and names of the clips.

    Raises:
        DatasetError: a folder holds none.
    """
    found = []
    for root in roots:
        clips = sorted(p.name for p in (root / "JPEGImages").glob("*") if p.is_dir())
        if not clips:
            raise DatasetError(f"{root / 'JPEGImages'} holds no clips: give a folder laid out like DAVIS")
        found += [(root, clip) for clip in clips]
    absent = set(names or ()) - {clip for _, clip in found}
    if absent:
        raise DatasetError(f"no clip {sorted(absent)[0]} in {', '.join(map(str, roots))}: give names of its folders")
    return [(root, clip) for root, clip in found if names is None or clip in names]


def contact_row(frames: list[NDArray[np.uint8]], result: VideoResult, columns: int = 6) -> NDArray[np.uint8]:
    """Frames spread over the clip with what is drawn by default: ``[h, columns * w, 3]`` uint8 BGR."""
    chosen = set(np.linspace(0, len(frames) - 1, columns).round().astype(int).tolist())
    height = round(320 * result.height / result.width)
    return np.hstack(
        [
            cv2.resize(picture, (320, height), interpolation=cv2.INTER_AREA)
            for index, picture in enumerate(render_frames(result, frames))
            if index in chosen
        ]
    )


def run_clip(
    model: VISModel, root: Path, clip: str, profile: str | None, args: argparse.Namespace
) -> tuple[ClipScore, NDArray[np.uint8]]:
    """Segment a clip; its score and its row of the contact sheet."""
    frames, masks = annotated_clip(root, clip, args.every)
    start = time.perf_counter()
    result = segment_video(model, frames, key_num=args.key_num, profile=profile, score_thr=0.0)
    seconds = time.perf_counter() - start
    result.name = clip
    return score_clip(result, masks, seconds), contact_row(frames, result)


def run_clips(
    model: VISModel, clips: Sequence[tuple[Path, str]], profile: str | None, args: argparse.Namespace
) -> tuple[WeightedMeans, list[NDArray[np.uint8]]]:
    """Segment all clips and print their table; the measures, and the rows of the contact sheet."""
    scores, rows = [], []
    print(f"{HEADER}\n|{'---|' * HEADER.count(' | ')}---|")
    for root, clip in clips:
        score, row = run_clip(model, root, clip, profile, args)
        scores.append(score)
        rows.append(row)
        print(
            f"| {clip} | {100 * score.j:.1f} | {100 * score.worst:.1f} | {100 * score.union:.1f} | {score.category} "
            f"| {score.score:.2f} | {score.rank} | {score.sequences} | {score.frames_per_second:.2f} |",
            flush=True,
        )
    means = WeightedMeans.of_clips(scores)
    mean = {name: 100 * float(value[0]) for name, value in means(np.ones((1, len(scores)))).items()}
    print(f"| mean | {mean['J']:.1f} | {mean['worst frame']:.1f} | {mean['best union']:.1f} | | | | | |\n")
    print(interval_table(intervals(means), len(scores)))
    return means, rows


def write_sheet(path: Path, rows: Sequence[NDArray[np.uint8]]) -> None:
    """Write the contact sheet; that it cannot be written is said, and loses nothing of the table."""
    width = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(r, 0, 4, 0, width - r.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3) for r in rows]
    if path.suffix.lower() not in (".jpg", ".png") or not cv2.imwrite(str(path), np.vstack(padded)):
        print(f"cannot write {path}: its name must end in .jpg or .png", file=sys.stderr)


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    clips = find_clips(args.roots, args.clips)
    model = load_model(
        args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options, runtime=args.runtime
    )
    profiles = list(dict.fromkeys(args.profile or [None]))
    means = []
    for profile in profiles:
        if len(profiles) > 1:
            print(f"\nprofile {profile}\n")
        found, rows = run_clips(model, clips, profile, args)
        means.append(found)
        if args.sheet is not None and profile == profiles[0]:
            write_sheet(args.sheet, rows)
    for name, other in zip(profiles[1:], means[1:], strict=True):
        print(f"\n{name} beside {profiles[0]}:")
        for difference in find_differences(means[0], other):
            print(sentence(difference, len(clips), (str(profiles[0]), str(name))))


if __name__ == "__main__":
    run_command(main)
