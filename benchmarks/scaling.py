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

AXES = {
    "frames": [50, 100, 200, 500, 1000, 2000],
    "objects": [1, 2, 5, 10, 20],
    "key_num": [1, 2, 3, 5, 10],
}
BASE = {"frames": 50, "objects": 2, "key_num": 3}


def measure(point: dict[str, int], args: argparse.Namespace) -> dict[str, float]:
    """One point, in this process: seconds and peak memory."""
    from benchmarks.common import DriftingClip, build, fix_objects, peak_memory_mb
    from mmdet_vis.api import segment_video

    options = {
        "data_preprocessor.img_scale": (args.side * 16 // 9 // 32 * 32, args.side),
        "propose_reduce.memory": {"type": "MemoryAtMost", "size": 8, "_delete_": True},
    }
    model = build(args.config, None, args.precision, args.device, options)
    fix_objects(model, point["objects"])
    clip = DriftingClip(point["frames"], args.side, args.side * 16 // 9)
    segment_video(model, DriftingClip(2, args.side, args.side * 16 // 9), key_num=1)
    start = time.perf_counter()
    segment_video(model, clip, key_num=point["key_num"], feature_memory=args.feature_memory)
    return {"seconds": time.perf_counter() - start, "megabytes": peak_memory_mb(model.device)}


def in_process(point: dict[str, int], argv: list[str]) -> dict[str, float]:
    """One point in a new process, so that peak memories do not mix."""
    command = [sys.executable, __file__, *argv, "--point", json.dumps(point)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def plot(results: dict[str, list[tuple[int, dict[str, float]]]], path: Path) -> None:
    """Draw time and memory over each axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(results), figsize=(4 * len(results), 6), squeeze=False)
    for column, (name, points) in enumerate(results.items()):
        xs = [x for x, _ in points]
        for row, (key, unit) in enumerate((("seconds", "time in s"), ("megabytes", "peak memory in MB"))):
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
    parser.add_argument("--side", type=int, default=96, help="shorter side of the frames")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--feature-memory", default="50MB")
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--most-frames", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scaling.png"))
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        print(json.dumps(measure(args.point, args)))
        return
    results: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for axis in args.axes:
        print(f"{axis:>8} {'seconds':>9} {'MB':>8}")
        for value in AXES[axis]:
            if axis == "frames" and value > args.most_frames:
                continue
            point = in_process({**BASE, axis: value}, sys.argv[1:])
            results.setdefault(axis, []).append((value, point))
            print(f"{value:8d} {point['seconds']:9.1f} {point['megabytes']:8.0f}", flush=True)
    plot(results, args.out)
    print(f"plot: {args.out}")


if __name__ == "__main__":
    main()
