#!/usr/bin/env python3
"""Time and peak memory against the number of frames, objects and key frames; each point in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import MAX_SIDE, DriftingClip, build, fix_objects, memory_mb, peak_memory_mb
from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.commands.arguments import positive
from mmdet_vis.errors import run_command
from mmdet_vis.files.atomic import check_outputs

AXES = {
    "frames": [50, 100, 200, 500, 1000, 2000, 5000],
    "objects": [1, 2, 5, 10, 20],
    "key_num": [1, 2, 3, 5, 10],
}
BASE = {"frames": 50, "objects": 2, "key_num": 3}
EQUAL_FRAMES = 24
MIN_SIDE = 18
"""Its :func:`width` is the least that the network takes."""


def side(text: str) -> int:
    """Parse the shorter side of frames."""
    value = positive(text)
    if not MIN_SIDE <= value <= MAX_SIDE:
        raise argparse.ArgumentTypeError(f"{text!r}: use a whole number from {MIN_SIDE} to {MAX_SIDE}")
    return value


def prepare(args: argparse.Namespace, objects: int) -> VISModel:
    """A model with so many objects on each key frame, after a run that brings in whatever the first one needs."""
    options = {
        "data_preprocessor.img_scale": (width(args), args.side),
        "propose_reduce.memory": {"type": "MemoryAtMost", "size": 8, "_delete_": True},
    }
    model = build(args.config, None, args.precision, args.device, options)
    fix_objects(model, objects)
    segment_video(model, DriftingClip(2, args.side, width(args)), key_num=1)
    return model


def width(args: argparse.Namespace) -> int:
    """Longer side of the frames: about 16:9, and a multiple of what the network pads to."""
    return args.side * 16 // 9 // 32 * 32


def measure(point: dict[str, int], args: argparse.Namespace) -> dict[str, float]:
    """One point, in this process: seconds, peak memory, and how much of it came with the run."""
    model = prepare(args, point["objects"])
    before = memory_mb(model.device)
    clip = DriftingClip(point["frames"], args.side, width(args))
    start = time.perf_counter()
    segment_video(model, clip, key_num=point["key_num"], feature_memory=args.feature_memory)
    seconds, peak = time.perf_counter() - start, peak_memory_mb(model.device)
    return {"seconds": seconds, "megabytes": peak, "added": peak - before}


def check_equal(args: argparse.Namespace) -> None:
    """That a budget which drops most features changes no result, on a short clip.

    Raises:
        RuntimeError: it does.
    """
    model = prepare(args, BASE["objects"])
    clip = DriftingClip(EQUAL_FRAMES, args.side, width(args))
    plenty, little = (
        segment_video(model, clip, key_num=BASE["key_num"], feature_memory=budget, score_thr=0.0).sequences
        for budget in ("8GB", 0)
    )
    same = [(a.masks, a.label) for a in plenty] == [(b.masks, b.label) for b in little]
    worst = max((abs(a.score - b.score) for a, b in zip(plenty, little, strict=False)), default=0.0)
    if not plenty or not same or worst > 1e-5:
        raise RuntimeError(f"results depend on --feature-memory: masks equal {same}, score difference {worst:.1e}")
    print(f"{EQUAL_FRAMES} frames with and without a feature budget: {len(plenty)} equal sequences")


def in_process(point: dict[str, int], argv: list[str]) -> dict[str, float]:
    """One point in a new process, so that peak memories do not mix.

    Raises:
        RuntimeError: the process failed.
    """
    command = [sys.executable, __file__, *argv, "--point", json.dumps(point)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:  # what it wrote to stderr is on the screen already
        raise RuntimeError(f"the run of {point} ended with status {done.returncode}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def plot(results: dict[str, list[tuple[int, dict[str, float]]]], path: Path) -> None:
    """Draw time and memory over each axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = ("seconds", "time in s"), ("megabytes", "peak memory in MB"), ("added", "of it, of the run")
    figure, axes = plt.subplots(len(rows), len(results), figsize=(4 * len(results), 3 * len(rows)), squeeze=False)
    for column, (name, points) in enumerate(results.items()):
        xs = [x for x, _ in points]
        for row, (key, unit) in enumerate(rows):
            axes[row][column].plot(xs, [p[key] for _, p in points], "o-")
            axes[row][column].set(xlabel=name, ylabel=unit, ylim=(0, None))
            axes[row][column].grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", default="configs/SeqMaskRCNN/seq_mask_rcnn_timm_efficientnet_lite0_fpn_youtubevis19.py"
    )
    parser.add_argument("--side", type=side, default=96, help=f"shorter side of the frames, at least {MIN_SIDE}")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--feature-memory", default="50MB")
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--most-frames", type=positive, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scaling.png"))
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(measure(args.point, args)))
        return
    if args.axes == ["frames"] and args.most_frames < AXES["frames"][0]:
        parser.error(
            f"--most-frames {args.most_frames} leaves nothing of --axes frames: use {AXES['frames'][0]} or more"
        )
    check_outputs((args.out,))
    check_equal(args)
    results: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for axis in args.axes:
        print(f"{axis:>8} {'seconds':>9} {'MB':>8} {'of the run':>11}")
        for value in AXES[axis]:
            if axis == "frames" and value > args.most_frames:
                continue
            point = in_process({**BASE, axis: value}, sys.argv[1:])
            results.setdefault(axis, []).append((value, point))
            print(f"{value:8d} {point['seconds']:9.1f} {point['megabytes']:8.0f} {point['added']:11.0f}", flush=True)
    plot(results, args.out)
    print(f"plot: {args.out}")


if __name__ == "__main__":
    run_command(main)
