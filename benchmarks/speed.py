#!/usr/bin/env python3
"""Frames per second of the engine beside the plain statement of the algorithm, with a table of its stages."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import R50, DriftingClip, StageClock, best_of, build, fix_objects, machine, peak_memory_mb, size
from mmdet_vis.api import VISModel, segment_video

PLAIN = "plain float32"


def engine_seconds(model: VISModel, clip: DriftingClip, key_num: int, profile: str) -> float:
    """Time of one whole run of the engine."""
    start = time.perf_counter()
    segment_video(model, clip, key_num=key_num, profile=profile)
    return time.perf_counter() - start


def plain_seconds(model: VISModel, clip: DriftingClip, key_num: int) -> float:
    """Time of one whole run of the plain statement, features and sequences included."""
    from mmdet_vis.propose_reduce import key_frames
    from tests.plain import plain_propose

    model.network.to(memory_format=torch.contiguous_format)
    frames = clip.read(0, len(clip))
    start = time.perf_counter()
    plain_propose(model.network, frames, model.preprocess, key_frames(len(clip), key_num))
    return time.perf_counter() - start


def watch(model: VISModel, clock: StageClock) -> None:
    """Attribute the time of a run to its stages."""
    network, head = model.network, model.network.prop_head
    clock.wrap(network, "extract", "backbone + FPN")
    clock.wrap(head, "encode_frame", "frame terms (query, skips)")
    clock.wrap(network, "detect", "detection")
    clock.wrap(head, "memorize", "memorize")
    clock.wrap(head, "read", "memory read")
    clock.wrap(head, "decode", "decode")
    clock.wrap(network, "classify", "scoring")


class ConvRate:
    """Rate of one convolution inside the engine, and alone on the same input."""

    def __init__(self, conv: nn.Conv2d, device: torch.device) -> None:
        self.conv, self.clock = conv, StageClock(device)
        self.flops = 0.0
        self.input: Tensor | None = None
        original = conv.forward

        def timed(x: Tensor) -> Tensor:
            with self.clock.measure("conv"):
                out = original(x)
            self.flops += 2 * out.numel() * x.shape[1] * 9
            if self.input is None or x.shape[0] >= self.input.shape[0]:
                self.input = x.clone(memory_format=torch.preserve_format)
            return out

        self._original = original
        object.__setattr__(conv, "forward", timed)

    @torch.no_grad()
    def report(self) -> tuple[float, float]:
        """GFLOP/s in the engine, and alone."""
        assert self.input is not None
        x = self.input
        alone = best_of(lambda: self._original(x), 5, self.clock.device)
        rate = 2 * x.shape[0] * self.conv.out_channels * x.shape[2] * x.shape[3] * x.shape[1] * 9 / alone
        return self.flops / self.clock.seconds["conv"] / 1e9, rate / 1e9


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=R50)
    parser.add_argument("--checkpoint", help="weights; random ones unless given (the time does not depend on them)")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=size, default=(360, 640), metavar="WxH")
    parser.add_argument("--key-num", type=int, default=5)
    parser.add_argument("--objects", type=int, default=2, help="objects on each key frame")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain statement (it takes minutes)")
    parser.add_argument("--fast", action="store_true", help="also run `--profile fast` in the last precision")
    args = parser.parse_args()
    clip = DriftingClip(args.frames, *args.size)
    rows: list[tuple[str, float]] = []
    for index, precision in enumerate(args.precision):
        model = build(args.config, args.checkpoint, precision, args.device, {})
        fix_objects(model, args.objects)
        engine_seconds(model, DriftingClip(3, *args.size), 2, "exact")  # warm up: kernels are chosen at first use
        rows.append((f"engine {precision}", engine_seconds(model, clip, args.key_num, "exact")))
        if args.fast and index == len(args.precision) - 1:
            rows.append((f"engine {precision} fast", engine_seconds(model, clip, args.key_num, "fast")))
        clock = StageClock(model.device)
        watch(model, clock)
        rate = ConvRate(model.network.prop_head.RF2.ResMM.conv1, model.device)
        total = engine_seconds(model, clip, args.key_num, "exact")
        print(f"\n{precision}, {machine(model.device)}\n{'stage':30}{'seconds':>9}{'share':>8}{'calls':>8}")
        for stage, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
            print(f"{stage:30}{seconds:9.2f}{seconds / total:8.1%}{clock.calls[stage]:8d}")
        print(f"{'everything else':30}{total - sum(clock.seconds.values()):9.2f}")
        inside, alone = rate.report()
        print(f"decoder convolution: {inside:.0f} GFLOP/s in the engine, {alone:.0f} alone: {inside / alone:.0%}")
        print(f"peak memory {peak_memory_mb(model.device):.0f} MB")
    if not args.no_plain:
        model = build(args.config, args.checkpoint, "float32", "cpu" if args.device == "auto" else args.device, {})
        fix_objects(model, args.objects)
        rows.append((PLAIN, plain_seconds(model, clip, args.key_num)))
    reference = dict(rows).get(PLAIN)
    objects = args.objects * args.key_num
    print(f"\n{args.frames} frames of {args.size[1]}x{args.size[0]}, {args.key_num} key frames, {objects} objects")
    for name, seconds in rows:
        ratio = f"{reference / seconds:6.2f}x" if reference else ""
        print(f"{name:26}{seconds:9.1f} s {args.frames / seconds:8.3f} frames/s {ratio}")


if __name__ == "__main__":
    main()
