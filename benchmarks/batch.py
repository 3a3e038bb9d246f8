#!/usr/bin/env python3
"""Throughput of two workers against one, and what an engine costs for each video beside the plain loop.

The same clips are segmented in turn by the plain loop (the worker called in this process), by one and by two workers
as processes, and, where Ray is installed, by one and by two actors. Seconds count from the first row that a worker
gives back to the last, so that neither imports nor the loading of models are in them; each round does all of them, and
medians over rounds are shown. Results are compared byte for byte.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import DriftingClip, machine
from mmdet_vis.api import load_model
from mmdet_vis.batch.engines import EngineOptions, engine_of
from mmdet_vis.batch.estimate import fit
from mmdet_vis.batch.tasks import Task
from mmdet_vis.batch.worker import WorkerPlan
from mmdet_vis.commands.arguments import positive
from mmdet_vis.errors import run_command
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


def measure(plan: WorkerPlan, tasks: list[Task], engine: str, workers: int) -> tuple[float, float, list[float]]:
    """Seconds from the first row to the last, per task in between; seconds before the first; those in workers."""
    start = time.perf_counter()
    times, inside = [], []
    with engine_of(engine)(plan, EngineOptions(workers, cpus=1.0 if engine == "ray" else None)) as runner:
        for row in runner.rows(tasks):
            times.append(time.perf_counter())
            inside.append(row["seconds"])
            if row["status"] != "done":
                raise SystemExit(f"{row['id']}: {row['error']}")
    return (times[-1] - times[0]) / (len(times) - 1), times[0] - start, inside


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="default: the model that comes with the program")
    parser.add_argument("--clips", type=positive, default=20)
    parser.add_argument("--frames", type=positive, default=30)
    parser.add_argument("--size", type=positive, nargs=2, default=(144, 256), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--key-num", type=positive)
    args = parser.parse_args()
    weights = default_weights() if args.weights is None else find_weights(args.weights)
    cases = [("local", 0), ("local", 1), ("local", 2)]
    cases += [("ray", 1), ("ray", 2)] if importlib.util.find_spec("ray") else []
    with tempfile.TemporaryDirectory(prefix="batch-") as folder:
        tasks = write_clips(Path(folder, "clips"), args.clips, args.frames, *args.size)
        options = RunOptions(formats=("json",), key_num=args.key_num)
        facts = {"out": "", "threads": args.threads, "retries": 0}
        plan = WorkerPlan(embedded_config(weights), weights, options, args.device, **facts)
        print(machine(load_model(plan.config, weights, args.device).device))
        found: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        starts: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
        inside: list[float] = []
        for number in range(args.rounds):
            for case in cases:
                out = Path(folder, f"{number}-{case[0]}-{case[1]}")
                seconds, start, times = measure(replace(plan, out=str(out)), tasks, *case)
                found[case].append(seconds)
                starts[case].append(start)
                inside += times if case == ("local", 0) else []
                compare(out, Path(folder, f"{number}-local-0"))
    plain = statistics.median(found["local", 0])
    cost = fit([args.frames] * len(inside), inside)
    print(f"plain loop: {plain:.4f} s a video of {args.frames} frames, {cost.per_frame:.5f} s a frame")
    print("| engine | workers | s a video | of the plain loop | videos/s against one worker | s to the first result |")
    print("|---|---|---|---|---|---|")
    for (engine, workers), values in found.items():
        each = statistics.median(values)
        one = statistics.median(found[engine, min(workers, 1)])
        print(
            f"| {engine} | {workers} | {each:.4f} | {each / plain:.3f} | {one / each:.2f} | "
            f"{statistics.median(starts[engine, workers]):.1f} |"
        )


def compare(out: Path, reference: Path) -> None:
    """Stop if results differ."""
    for path in sorted(reference.glob("videos/*.json")):
        if path.read_bytes() != (out / "videos" / path.name).read_bytes():
            raise SystemExit(f"{path.name} of {out.name} differs from that of the plain loop")


if __name__ == "__main__":
    run_command(main)
