#!/usr/bin/env python3
"""Throughput of two workers against one, and what an engine costs for each video beside the plain loop.

The same clips are segmented in turn by the plain loop (the worker called in this process), by one and by two workers
as processes, and, where Ray is installed, by one and by two actors. Each round does all of them, and medians over
rounds are shown. Seconds count from when all workers are at work to the last row, so that neither imports nor the
loading of models are in them. What an engine costs is what is left of them without the seconds inside the workers.
Results are compared byte for byte. At the end each engine hands out rows of which nothing is left to do: so many a
second one driver can feed. `--json` keeps the times for `simulate_batch.py --times`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import DriftingClip, machine
from mmdet_vis.api import load_model
from mmdet_vis.batch.engines import Engine, EngineOptions, engine_of
from mmdet_vis.batch.estimate import fit
from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import WorkerPlan
from mmdet_vis.commands.arguments import positive
from mmdet_vis.errors import run_command
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.run.options import RunOptions
from mmdet_vis.visualization.video_writer import VideoWriter
from mmdet_vis.weights.find import default_weights, find_weights
from mmdet_vis.weights.model_file import embedded_config


def write_clips(folder: Path, number: int, frames: int, height: int, width: int) -> list[Task]:
    """Clips that differ, as mp4, and a task for each."""
    folder.mkdir()
    tasks = []
    for index in range(number):
        path = folder / f"clip{index:03d}.mp4"
        clip = DriftingClip(frames, height, width, seed=index)
        with VideoWriter(path, 25, (height, width)) as video:
            for frame in clip.read(0, frames):
                video.write(frame)
        tasks.append(Task(path.stem, str(path), number=index + 1, frames=frames))
    return tasks


@dataclass
class Times:
    """Seconds of one run over all clips.

    Attributes:
        each: from one row to the next, once all workers are at work.
        inside: of a row, as its worker says.
        start: until the first worker has its model.
    """

    each: float
    inside: list[float]
    start: float


def measure(runner: Engine, tasks: Sequence[Task], began: float) -> Times:
    """Let an engine do tasks; its first rows, of workers that were not all there yet, do not count."""
    times, inside = [], []
    for row in runner.rows(tasks):
        times.append(time.perf_counter())
        inside.append(row["seconds"])
        if row["status"] != "done":
            raise SystemExit(f"{row['id']}: {row['error']}")
    # Workers are nearly in step: whole rounds of them are counted.
    workers = max(runner.workers, 1)
    rows = max((len(times) - len(times) // 5 - 1) // workers * workers, 1)
    return Times((times[-1] - times[-1 - rows]) / rows, inside[-rows:], times[0] - inside[0] - began)


def run(plan: WorkerPlan, tasks: Sequence[Task], engine: str, workers: int, rows: int = 0) -> tuple[Times, float]:
    """Times of the tasks; and seconds from row to row of so many rows of tasks that are done."""
    began = time.perf_counter()
    with engine_of(engine)(plan, EngineOptions(workers, cpus=1.0 if engine == "ray" else None)) as runner:
        found = measure(runner, tasks, began)
        again = [tasks[number % len(tasks)] for number in range(rows)]
        return found, measure(runner, again, began).each if rows else math.nan


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="default: the model that comes with the program")
    parser.add_argument("--clips", type=positive, default=20)
    parser.add_argument("--frames", type=positive, default=30)
    parser.add_argument("--size", type=positive, nargs=2, default=(144, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--rows", type=positive, default=300, help="that are handed out to be found done (default 300)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--key-num", type=positive)
    parser.add_argument("--json", type=Path, help="file to keep the times in")
    args = parser.parse_args()
    if args.clips < 3:
        parser.error("--clips must be at least 3")
    weights = default_weights() if args.weights is None else find_weights(args.weights)
    cases = [("local", 0), ("local", 1), ("local", 2)]
    cases += [("ray", 1), ("ray", 2)] if importlib.util.find_spec("ray") else []
    with tempfile.TemporaryDirectory(prefix="batch-") as folder:
        tasks = write_clips(Path(folder, "clips"), args.clips, args.frames, *args.size)
        short = write_clips(Path(folder, "short"), max(args.clips // 4, 2), max(args.frames // 3, 2), *args.size)
        options = RunOptions(formats=("json",), key_num=args.key_num)
        facts = {"out": folder, "threads": args.threads, "retries": 0}
        plan = WorkerPlan(embedded_config(weights), weights, options, args.device, **facts)
        about = machine(load_model(plan.config, weights, args.device).device)
        print(about)
        found: dict[tuple[str, int], list[Times]] = {case: [] for case in cases}
        hand_out: dict[tuple[str, int], float] = {}
        frames: list[int] = []
        inside: list[float] = []
        for number in range(args.rounds):
            for case in cases:
                out = Path(folder, f"{number}-{case[0]}-{case[1]}")
                times, done = run(replace(plan, out=str(out)), tasks, *case, rows=0 if number else args.rows)
                found[case].append(times)
                hand_out.setdefault(case, done)
                compare(out, Path(folder, f"{number}-local-0"))
            times, _ = run(replace(plan, out=str(Path(folder, f"{number}-short"))), short, "local", 0)
            for seconds, length in ((found["local", 0][-1].inside, args.frames), (times.inside, short[0].frames)):
                frames += [length] * len(seconds)
                inside += seconds
    rows = [summarize(case, found, hand_out[case]) for case in cases]
    show(rows, args.frames)
    cost = fit(frames, inside, statistics.median(times.start for times in found["local", 1]))
    print(f"f = {cost.per_frame:.5f} s a frame, t = {cost.per_task:.5f} s a task, s = {cost.start:.1f} s to start")
    if args.json is not None:
        of = f"{args.clips} clips of {args.frames} frames of {args.size[1]}x{args.size[0]}, {args.rounds} rounds"
        measured = {"machine": about, "weights": weights.name, "threads": args.threads, "of": of, **asdict(cost)}
        atomic_write(args.json, json.dumps(measured | {"engines": rows}, indent=1) + "\n")


def summarize(case: tuple[str, int], found: Mapping[tuple[str, int], list[Times]], hand_out: float) -> dict[str, Any]:
    """Medians over rounds: of times, and of ratios to what was measured in the same round."""
    engine, workers = case
    here, plain, one = found[case], found["local", 0], found[engine, min(workers, 1)]
    return {
        "engine": engine,
        "workers": workers,
        "each": statistics.median(times.each for times in here),
        "of_plain": statistics.median(times.each / other.each for times, other in zip(here, plain, strict=True)),
        "of_one": statistics.median(other.each / times.each for times, other in zip(here, one, strict=True)),
        "cost": statistics.median(times.each * max(workers, 1) - statistics.mean(times.inside) for times in here),
        "start": statistics.median(times.start for times in here),
        "hand_out": hand_out,
    }


def show(rows: Sequence[Mapping[str, Any]], frames: int) -> None:
    """Print the table."""
    plain = rows[0]["each"]
    print(
        f"| engine | workers | s a video of {frames} frames | of the plain loop | videos/s against one worker | "
        "engine's part of a video | rows/s of one driver | s to start |"
    )
    print("|---" * 8 + "|")
    for row in rows:
        print(
            f"| {row['engine']} | {row['workers']} | {row['each']:.4f} | {row['of_plain']:.3f} | {row['of_one']:.2f} | "
            f"{1000 * row['cost']:.1f} ms, {100 * row['cost'] / plain:.1f} % | {1 / row['hand_out']:.0f} | "
            f"{row['start']:.1f} |"
        )


def compare(out: Path, reference: Path) -> None:
    """Stop if results differ."""
    for path in sorted(reference.glob("videos/*.json")):
        if path.read_bytes() != (out / "videos" / path.name).read_bytes():
            raise SystemExit(f"{path.name} of {out.name} differs from that of the plain loop")


if __name__ == "__main__":
    run_command(main)
