"""How well a model segments real clips with one annotated object: J of the best-matching sequence, per clip.

The folder is laid out like DAVIS: JPEGImages/CLIP/*.jpg and Annotations/CLIP/*.png, where any value but 0 is the
object. All sequences of a clip are compared with the annotation; the one with the largest mean IoU over the
clip counts (the first frame included). That says whether the object was found and followed, not whether the score ranks
it first, so the rank and the score are in the table too.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.choices import PRECISIONS
from mmdet_vis.commands.arguments import OptionAction, positive
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.evaluation.davis.best_match import ClipScore, read_masks, score_clip
from mmdet_vis.structures import VideoResult
from mmdet_vis.visualization.overlay import render_frames


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with JPEGImages and Annotations")
    parser.add_argument("--config", type=Path, help="config (default: the one that the weights carry)")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: the default model)")
    parser.add_argument("--clips", nargs="+", help="names of clips (default: all)")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: what the model recommends, or float32")
    parser.add_argument("--key-num", type=positive, help="key frames (default: the config's)")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="use every N-th frame only (default 1)")
    parser.add_argument("--sheet", type=Path, help="also write a picture: frames of each clip with what was found")
    parser.add_argument("--cfg-options", nargs="+", action=OptionAction, default={}, metavar="KEY=VALUE")
    return parser.parse_args()


def contact_row(frames: list[NDArray[np.uint8]], result: VideoResult, columns: int = 6) -> NDArray[np.uint8]:
    """Frames spread over the clip with the sequences above score 0.2 drawn: ``[h, columns * w, 3]`` uint8 BGR."""
    chosen = set(np.linspace(0, len(frames) - 1, columns).round().astype(int).tolist())
    height = round(320 * result.height / result.width)
    return np.hstack(
        [
            cv2.resize(picture, (320, height), interpolation=cv2.INTER_AREA)
            for index, picture in enumerate(render_frames(result, frames))
            if index in chosen
        ]
    )


def run_clip(model: VISModel, root: Path, clip: str, args: argparse.Namespace) -> tuple[ClipScore, NDArray[np.uint8]]:
    """Segment a clip; its score and its row of the contact sheet."""
    with open_source(root / "JPEGImages" / clip) as source:
        frames = source.read(0, len(source))[:: args.every]
        names = list(source.frame_names)[:: args.every]
    masks = read_masks(root / "Annotations" / clip, names)
    start = time.perf_counter()
    result = segment_video(model, frames, key_num=args.key_num)
    seconds = time.perf_counter() - start
    result.name = clip
    return score_clip(result, masks, seconds), contact_row(frames, result)


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    clips = args.clips or sorted(p.name for p in (args.root / "JPEGImages").glob("*") if p.is_dir())
    if not clips:
        raise DatasetError(f"{args.root / 'JPEGImages'} holds no clips: give a folder laid out like DAVIS")
    model = load_model(args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options)
    scores, rows = [], []
    print(
        "| clip | J | worst frame | category | score | rank | sequences | frames/s |\n|---|---|---|---|---|---|---|---|"
    )
    for clip in clips:
        score, row = run_clip(model, args.root, clip, args)
        scores.append(score)
        rows.append(row)
        print(
            f"| {clip} | {100 * score.j:.1f} | {100 * score.worst:.1f} | {score.category} | {score.score:.2f} "
            f"| {score.rank} | {score.sequences} | {score.frames_per_second:.2f} |",
            flush=True,
        )
    print(f"| mean | {100 * np.mean([s.j for s in scores]):.1f} | | | | | | |")
    if args.sheet is not None:
        width = max(row.shape[1] for row in rows)
        padded = [
            cv2.copyMakeBorder(r, 0, 4, 0, width - r.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3) for r in rows
        ]
        if not cv2.imwrite(str(args.sheet), np.vstack(padded)):
            print(f"cannot write {args.sheet}: its name must end in .jpg or .png", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
