#!/usr/bin/env python3
"""How long a corpus takes on more machines than there are here, and what it costs: a simulation from measured times.

Every video is drawn, cut into tasks and handed out as `mmdet-vis batch` does it: longest first, one task in work at
each GPU, a long video in parts. A task takes `per task + per frame * frames`. Some GPUs are slower than others, and
some workers die: the task in work is lost and done again after a new worker has loaded its model. Nothing is simulated
of a network or an object store: their time is in the time per task as far as it was measured there.

The times are those that `benchmarks/batch.py --json FILE` measured (`--times FILE`), or given one by one.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmdet_vis.batch.estimate import Cost, makespan, span
from mmdet_vis.batch.tasks import chunk_ranges
from mmdet_vis.batch.worker import CHUNK, OVERLAP
from mmdet_vis.commands.arguments import positive, probability
from mmdet_vis.errors import ConfigError, run_command

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


def disturbed(frames: NDArray[np.int64], cost: Cost, deaths: float, rng: np.random.Generator) -> list[float]:
    """Seconds of each task; some are begun again, since their worker died.

    Args:
        frames: of each task.
        deaths: of a worker in an hour of work.
    """
    seconds = cost.per_task + cost.per_frame * frames
    dies = rng.random(len(seconds)) < -np.expm1(-deaths * seconds / 3600)
    # On the average half of the task is lost.
    again: list[float] = (seconds + dies * (0.5 * seconds + cost.start)).tolist()
    return again


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=Path, metavar="FILE", help="what `benchmarks/batch.py --json FILE` measured")
    parser.add_argument("--engine", default="ray", help="whose part is in the time of a task, from --times")
    parser.add_argument("--per-frame", type=float, metavar="SECONDS", help="of one GPU")
    parser.add_argument("--per-task", type=float, metavar="SECONDS", help="with the engine's part")
    parser.add_argument("--start", type=float, metavar="SECONDS", help="until a worker has its model")
    parser.add_argument("--hand-out", type=float, metavar="SECONDS", help="of one driver, for a task")
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
    cost, hand_out = times_of(args)
    rng = np.random.default_rng(args.seed)
    lengths = Corpus(args.videos, args.long_share, args.long_frames).lengths(rng)
    frames = tasks_of(lengths, args.chunk, args.overlap)
    whole = np.sort(lengths)[::-1]
    hours = cost_hours(frames, cost)
    mean = 3600 * hours / len(frames)
    print(
        f"corpus: {args.videos:,} videos, {lengths.sum():,} frames, median {int(np.median(lengths))}, longest "
        f"{lengths.max():,}; in parts {len(frames):,} tasks of at most {args.chunk} frames, {frames.sum():,} frames"
    )
    print(
        f"work = t V + f F = {cost.per_task:.4g} s x {len(frames):,} + {cost.per_frame:.4g} s x {frames.sum():,} "
        f"= {hours:,.0f} GPU-hours; s = {cost.start:.1f} s, longest task {cost.of(int(frames[0])):.1f} s"
    )
    if hand_out:
        print(
            f"a driver hands out {1 / hand_out:.0f} tasks/s, and a task takes {mean:.3g} s: "
            f"one feeds {mean / hand_out:.0f} GPUs"
        )
    price = " | cost |" if args.price is not None else " |"
    print(f"| GPUs | time | ideal | busy | without parts | without stragglers | one driver | GPU-hours{price}")
    print("|---" * (9 if args.price is not None else 8) + "|")
    for gpus in args.gpus:
        slow = [args.slow_factor] * round(args.slow_share * gpus)
        seconds = disturbed(frames, cost, args.deaths, rng)
        time, ideal = makespan(seconds, gpus, cost.start, slow), hours * 3600 / gpus
        uncut = makespan(disturbed(whole, cost, args.deaths, rng), gpus, cost.start, slow)
        even = makespan(seconds, gpus, cost.start)
        fed = makespan(seconds, gpus, cost.start, slow, hand_out)
        used = gpus * time / 3600
        end = f" | {used * args.price:,.0f} |" if args.price is not None else " |"
        busy = f"{100 * sum(seconds) / (gpus * time):.1f} %"
        spans = f"{span(uncut)} | {span(even)} | {span(fed)}"
        print(f"| {gpus} | {span(time)} | {span(ideal)} | {busy} | {spans} | {used:,.0f}{end}")


def times_of(args: argparse.Namespace) -> tuple[Cost, float]:
    """What a task takes and how long a driver needs for it: as given, else as measured; says where it comes from.

    Raises:
        ConfigError: the file does not hold it, or there is no time per frame.
    """
    measured: dict[str, float] = {}
    if args.times is not None:
        try:
            known = json.loads(args.times.read_text(encoding="utf-8"))
            engines = {(row["engine"], row["workers"]): row for row in known["engines"]}
            one, two = engines[args.engine, 1], engines[args.engine, 2]
            engine = max(float(one["cost"]), 0.0)
            measured = {"per_frame": known["per_frame"], "start": known["start"], "hand_out": two["hand_out"]}
            measured["per_task"] = known["per_task"] + engine
            print(f"measured on {known['machine']}: {known['weights']}, {known['threads']} threads, {known['of']}")
            print(f"t = {known['per_task']:.4g} s of the worker + {engine:.4g} s of {args.engine}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise ConfigError(
                f"{args.times} does not hold times of {args.engine} ({reason}); make it with "
                f"`python benchmarks/batch.py --json {args.times}`"
            ) from error
    elif args.per_frame is None:
        raise ConfigError("no times: give --times FILE, or --per-frame SECONDS")
    for name in ("per_frame", "per_task", "start", "hand_out"):
        if (given := getattr(args, name)) is not None:
            measured[name] = given
    cost = Cost(measured["per_frame"], measured.get("per_task", 0.05), measured.get("start", 20.0))
    return cost, measured.get("hand_out", 0.0)


def cost_hours(frames: NDArray[np.int64], cost: Cost) -> float:
    """Hours of one GPU that nothing disturbs."""
    return float(cost.per_task * len(frames) + cost.per_frame * frames.sum()) / 3600


if __name__ == "__main__":
    run_command(main)
