"""One clip in every runtime and precision, side by side: frames per second, and what the results differ by."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import time
from pathlib import Path

import torch

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.commands.arguments import positive
from mmdet_vis.data.datasets import open_video
from mmdet_vis.device import cpu_has_fast_bfloat16
from mmdet_vis.errors import ConfigError, run_command
from mmdet_vis.structures import VideoResult

WAYS = (
    ("torch", "float32"), ("onnxruntime", "float32"), ("openvino", "float32"), ("torch", "bfloat16"),
    ("openvino", "bfloat16"), ("onnxruntime", "int8"),
)  # fmt: skip


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, help="a video or a folder of frames")
    parser.add_argument("--config", type=Path, help="config (default: the one that the weights carry)")
    parser.add_argument("--weights", type=Path, help="weights (default: the default model)")
    parser.add_argument("--graphs", type=Path, help="a folder of `mmdet-vis export --to onnx --int8`, for int8")
    parser.add_argument("--frames", type=positive, default=40, help="use the first so many (40)")
    parser.add_argument("--runs", type=positive, default=3, help="times that each is run, in turns (3)")
    return parser.parse_args()


def same(found: VideoResult, expected: VideoResult) -> str:
    """How much a result differs from another: categories in order, and the mean mask IoU of sequences of equal rank."""
    pairs = list(zip(found.sequences, expected.sequences, strict=False))
    labels = [s.label for s in found.sequences] == [s.label for s in expected.sequences]
    ious = []
    for a, b in pairs:
        x, y = a.masks_array(), b.masks_array()
        union = (x | y).sum()
        ious.append(float((x & y).sum() / union) if union else 1.0)
    return f"{'same' if labels else 'other'} categories, IoU {statistics.mean(ious) if ious else 1.0:.4f}"


def main() -> None:
    """Run the benchmark and print a table."""
    args = parse_args()
    source = open_video(args.clip)
    frames = source.read(0, min(args.frames, len(source)))
    models: dict[tuple[str, str], VISModel] = {}
    for runtime, precision in WAYS:
        missing = runtime != "torch" and importlib.util.find_spec(runtime) is None
        if missing or (precision == "bfloat16" and not cpu_has_fast_bfloat16()):
            print(f"{runtime} {precision}: not on this machine")
            continue
        if precision == "int8" and args.graphs is None:
            print(f"{runtime} {precision}: needs --graphs")
            continue
        weights = args.graphs if precision == "int8" else args.weights
        try:
            models[runtime, precision] = load_model(args.config, weights, "cpu", precision, runtime=runtime)
        except ConfigError as error:
            print(f"{runtime} {precision}: {error}")
    results = {way: segment_video(model, frames) for way, model in models.items()}
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in models}
    for _ in range(args.runs):
        for way, model in models.items():
            start = time.perf_counter()
            segment_video(model, frames)
            seconds[way].append(time.perf_counter() - start)
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, {len(frames)} frames")
    print("| runtime | precision | frames/s (median, fastest) | beside PyTorch float32 |\n|---|---|---|---|")
    for way, times in seconds.items():
        rate = f"{len(frames) / statistics.median(times):.2f}, {len(frames) / min(times):.2f}"
        print(f"| {way[0]} | {way[1]} | {rate} | {same(results[way], results['torch', 'float32'])} |")


if __name__ == "__main__":
    run_command(main)
