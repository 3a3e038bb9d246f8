#!/usr/bin/env python3
"""How long a corpus takes on more machines than there are here, and what it costs: a simulation from measured times.

Every video is drawn, cut into tasks and handed out as `mmdet-vis batch` does it: longest first, one task in work at
each GPU, a long video in parts. A task takes `per task + per frame * frames`. Some GPUs are slower than others, and
some workers die: the task in work is lost and done again after a new worker has loaded its model. Nothing is simulated
of a network or an object store: their time is in the time per task as far as it was measured there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmdet_vis.batch.estimate import Cost, makespan, span
from mmdet_vis.batch.tasks import chunk_ranges
from mmdet_vis.batch.worker import CHUNK, OVERLAP
from mmdet_vis.commands.arguments import positive, probability
from mmdet_vis.errors import run_command

LONGEST = 36
"""Annotated frames of the longest videos of YouTube-VIS: 7 seconds at 5 frames per second."""


@dataclass(frozen=True)
class Corpus:
    """Lengths of videos.

    Attributes:
        videos: how many.
        long_share: share of videos that are long.
        long_frames: median of their lengths; they are spread log-normally, to the day-long ones.
    """

    videos: int
    long_share: float
    long_frames: int

    def lengths(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Frames of each video: 8 to 36 like YouTube-VIS, most of them near the upper end, and the long tail."""
        short = LONGEST - np.minimum(rng.exponential(8.0, self.videos).astype(np.int64), LONGEST - 8)
        long = np.exp(rng.normal(np.log(self.long_frames), 1.5, self.videos)).astype(np.int64) + LONGEST
        return np.where(rng.random(self.videos) < self.long_share, np.minimum(long, 30 * 86400), short)


def tasks_of(lengths: NDArray[np.int64], chunk: int, overlap: int) -> NDArray[np.int64]:
    """Frames of each task, longest first."""
    parts: list[int] = lengths[lengths <= chunk].tolist()
    for length in lengths[lengths > chunk].tolist():
        parts += [stop - start for start, stop in chunk_ranges(0, length, chunk, overlap)]
    return np.sort(np.array(parts, np.int64))[::-1]


def simulate(
    frames: NDArray[np.int64], cost: Cost, gpus: int, slow: Sequence[float], deaths: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Seconds until all is done, and seconds of work in it.

    Args:
        frames: of each task, in the order in which they are handed out.
        slow: how many times as long the first GPUs take.
        deaths: of a worker in an hour of work.
    """
    seconds = cost.per_task + cost.per_frame * frames
    dies = rng.random(len(seconds)) < -np.expm1(-deaths * seconds / 3600)
    # On the average half of the task is lost.
    seconds = seconds + dies * (0.5 * seconds + cost.start)
    return makespan(seconds.tolist(), gpus, cost.start, slow), float(seconds.sum())


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-frame", type=float, required=True, metavar="SECONDS", help="measured, of one GPU")
    parser.add_argument(
        "--per-task", type=float, default=0.05, metavar="SECONDS", help="measured, with the engine's part"
    )
    parser.add_argument("--start", type=float, default=20.0, metavar="SECONDS", help="until a worker has its model")
    parser.add_argument("--videos", type=positive, default=1_000_000)
    parser.add_argument("--gpus", type=positive, nargs="+", default=[8, 64, 512])
    parser.add_argument("--long-share", type=probability, default=0.001, help="share of long videos")
    parser.add_argument("--long-frames", type=positive, default=9000, help="median of their frames (default 5 minutes)")
    parser.add_argument("--slow-share", type=probability, default=0.02, help="share of GPUs that are stragglers")
    parser.add_argument("--slow-factor", type=float, default=3.0, help="how many times as long those take")
    parser.add_argument("--deaths", type=float, default=0.01, help="deaths of a worker in an hour (default 0.01)")
    parser.add_argument("--price", type=float, help="of a GPU for an hour, to say what all costs")
    parser.add_argument("--chunk", type=positive, default=CHUNK)
    parser.add_argument("--overlap", type=positive, default=OVERLAP)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    lengths = Corpus(args.videos, args.long_share, args.long_frames).lengths(rng)
    cost = Cost(args.per_frame, args.per_task, args.start)
    frames = tasks_of(lengths, args.chunk, args.overlap)
    whole = np.sort(lengths)[::-1]
    print(
        f"{args.videos} videos, {int(lengths.sum())} frames, median {int(np.median(lengths))}, longest "
        f"{int(lengths.max())}; {len(frames)} tasks of at most {args.chunk} frames"
    )
    print(
        f"work: {cost.per_task:g} s x tasks + {cost.per_frame:g} s x frames = {cost_hours(frames, cost):.0f} GPU-hours"
    )
    price = " | cost |" if args.price is not None else " |"
    print(f"| GPUs | time | ideal | busy | without parts | without stragglers | GPU-hours{price}")
    print("|---" * (8 if args.price is not None else 7) + "|")
    for gpus in args.gpus:
        slow = [args.slow_factor] * round(args.slow_share * gpus)
        time, work = simulate(frames, cost, gpus, slow, args.deaths, rng)
        ideal = cost_hours(frames, cost) * 3600 / gpus
        uncut, _ = simulate(whole, cost, gpus, slow, args.deaths, rng)
        even, _ = simulate(frames, cost, gpus, [], args.deaths, rng)
        hours = gpus * time / 3600
        end = f" | {hours * args.price:.0f} |" if args.price is not None else " |"
        busy = f"{100 * work / (gpus * time):.1f} %"
        print(f"| {gpus} | {span(time)} | {span(ideal)} | {busy} | {span(uncut)} | {span(even)} | {hours:.0f}{end}")


def cost_hours(frames: NDArray[np.int64], cost: Cost) -> float:
    """Hours of one GPU that nothing disturbs."""
    return float(cost.per_task * len(frames) + cost.per_frame * frames.sum()) / 3600


if __name__ == "__main__":
    run_command(main)
