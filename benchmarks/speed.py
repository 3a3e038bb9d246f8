#!/usr/bin/env python3
"""Frames per second of the engine beside the plain statement of the algorithm, with a table of its stages."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import (
    R50,
    DriftingClip,
    StageClock,
    best_of,
    build,
    fix_objects,
    machine,
    peak_memory_mb,
    read_clip,
    size,
)
from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.baselines.plain import plain_propose
from mmdet_vis.commands.arguments import positive
from mmdet_vis.data.sources import ArraySource, FrameSource
from mmdet_vis.errors import run_command
from mmdet_vis.models import fast_conv
from mmdet_vis.models.fast_conv import FastConv3x3, use_direct_convolutions
from mmdet_vis.models.heads.propagation import SeqPropHead
from mmdet_vis.ops import winograd
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import key_frames

PLAIN = "plain float32"


def engine_seconds(model: VISModel, clip: FrameSource, key_num: int, profile: str) -> float:
    """Time of one whole run of the engine."""
    start = time.perf_counter()
    segment_video(model, clip, key_num=key_num, profile=profile)
    return time.perf_counter() - start


def plain_seconds(model: VISModel, clip: FrameSource, key_num: int) -> float:
    """Time of one whole run of the plain statement, features and sequences included."""
    model.network.to(memory_format=torch.contiguous_format)
    use_direct_convolutions(model.network)
    frames = clip.read(0, len(clip))
    start = time.perf_counter()
    with tf32_products(False):
        plain_propose(model.network, frames, model.preprocess, key_frames(len(clip), key_num))
    return time.perf_counter() - start


def watch(model: VISModel, clock: StageClock) -> None:
    """Attribute the time of a run to its stages."""
    network, head = model.network, model.network.prop_head
    clock.wrap(network, "extract", "backbone + FPN")
    clock.wrap(network, "extract_for_detection", "the same of key frames, float32")
    clock.wrap(head, "encode_frame", "frame terms (query, skips)")
    clock.wrap(head, "memorize", "memorize")
    clock.wrap(head, "read", "memory read")
    clock.wrap(head, "decode", "decode")
    clock.wrap(network, "classify", "scoring")


def detection_seconds(model: VISModel, clip: FrameSource, key_num: int) -> float:
    """Time of detecting on all key frames at once, which the fixed objects of the other runs leave out."""
    network = model.network
    frames = [clip.read(t, t + 1)[0] for t in key_frames(len(clip), key_num)]
    images = model.preprocess(frames).to(model.device).contiguous(memory_format=torch.channels_last)
    image_size = model.preprocess.geometry(clip.height, clip.width).resized
    with torch.no_grad():
        levels = network.extract_for_detection(images).levels
        return best_of(lambda: network.detect(levels, image_size), 2, model.device)


class ConvRate:
    """Rate of one convolution inside the engine, and alone on an input of the same size."""

    def __init__(self, conv: nn.Conv2d, device: torch.device) -> None:
        self.conv, self.clock = conv, StageClock(device)
        self.flops = 0.0
        self.shape = torch.Size()
        method = "convolve" if isinstance(conv, FastConv3x3) else "forward"
        self._original = getattr(conv, method)
        object.__setattr__(conv, method, self._timed)

    def _timed(self, x: Tensor, **options: bool) -> Tensor:
        with self.clock.measure("conv"):
            out: Tensor = self._original(x, **options)
        self.flops += conv_flops(x.shape, self.conv.out_channels)
        self.shape = max(self.shape, x.shape)
        return out

    @torch.no_grad()
    def report(self) -> tuple[float, float, float]:
        """GFLOP/s in the engine, alone, and as a direct convolution alone; of the direct one's operations all."""
        x = torch.randn(self.shape, device=self.clock.device).to(self.conv.weight.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        weight, bias = self.conv.weight, self.conv.bias
        inside = self.flops / self.clock.seconds["conv"] / 1e9  # now: the calls below are noted, too
        alone = best_of(lambda: self.conv(x), 5, self.clock.device)
        direct = best_of(lambda: F.conv2d(x, weight, bias, padding=1), 5, self.clock.device)
        flops = conv_flops(x.shape, self.conv.out_channels) / 1e9
        return inside, flops / alone, flops / direct


def conv_flops(shape: torch.Size, out_channels: int) -> float:
    """Operations of a direct 3x3 convolution of an input of that shape."""
    return 2.0 * shape.numel() * out_channels * 9


@contextmanager
def count_fast() -> Iterator[list[float]]:
    """Note the operations that a direct convolution would need in place of each that is done with fewer."""
    flops: list[float] = []

    def counted(x: Tensor, kernel: Tensor, *rest: Any) -> Tensor:
        flops.append(conv_flops(x.shape, kernel.shape[2]))
        return winograd.conv3x3(x, kernel, *rest)

    with mock.patch.object(fast_conv, "conv3x3", counted):
        yield flops


class ReadRate:
    """Rate of the memory read inside the engine, and of its two products alone, without softmax or padding."""

    def __init__(self, head: SeqPropHead, clock: StageClock, stage: str) -> None:
        self.clock, self.stage = clock, stage
        self.flops = 0.0
        self.largest = (0, 0, 0, 0, 0)
        self.dtype = torch.float32
        original = head.read

        def counted(query_key: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            sizes = *keys.shape, values.shape[2], query_key[0].numel()
            self.flops += self._flops(*sizes)
            self.largest, self.dtype = max(self.largest, sizes, key=lambda s: self._flops(*s)), keys.dtype
            return original(query_key, keys, values)

        object.__setattr__(head, "read", counted)

    @staticmethod
    def _flops(objects: int, remembered: int, key_width: int, value_width: int, asked: int) -> float:
        return 2.0 * objects * remembered * asked * (key_width + value_width)

    @torch.no_grad()
    def report(self) -> tuple[float, float]:
        """GFLOP/s in the engine, and of the products alone, one object after the other."""
        _, remembered, key_width, value_width, asked = self.largest
        device = self.clock.device
        query = torch.randn((asked, key_width), device=device).to(self.dtype)
        keys = torch.randn((remembered, key_width), device=device).to(self.dtype)
        values = torch.randn((remembered, value_width), device=device).to(self.dtype)
        weights = query @ keys.t()

        def products() -> None:
            torch.mm(query, keys.t(), out=weights)
            torch.mm(weights, values)

        alone = best_of(products, 5, device)
        one = self._flops(1, remembered, key_width, value_width, asked)
        return self.flops / self.clock.seconds[self.stage] / 1e9, one / alone / 1e9


def share(inside: float, alone: float) -> str:
    """Two rates in words."""
    return f"{inside:.0f} GFLOP/s in the engine, {alone:.0f} alone: {inside / alone:.0%}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=R50)
    parser.add_argument("--checkpoint", help="weights; random ones unless given (the time does not depend on them)")
    parser.add_argument("--frames", type=positive, default=24)
    parser.add_argument("--size", type=size, default=(360, 640), metavar="WxH")
    parser.add_argument("--key-num", type=positive, default=5)
    parser.add_argument("--objects", type=positive, default=2, help="objects on each key frame")
    parser.add_argument("--clip", type=Path, help="folder of frames or video to take instead, with the objects found")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--no-plain", action="store_true", help="leave out the plain statement (it takes minutes)")
    parser.add_argument("--fast", action="store_true", help="also run `--profile fast` in the last precision")
    args = parser.parse_args()
    clip: FrameSource = DriftingClip(args.frames, *args.size)
    if args.clip is not None:
        clip = ArraySource(read_clip(args.clip, args.frames))
    rows: list[tuple[str, float]] = []
    for index, precision in enumerate(args.precision):
        model = build(args.config, args.checkpoint, precision, args.device, {})
        if args.clip is None:
            detection = detection_seconds(model, clip, args.key_num)
            fix_objects(model, args.objects)
        start = ArraySource(clip.read(0, min(3, len(clip))))
        engine_seconds(model, start, 2, "exact")  # warm up: kernels are chosen at first use
        rows.append((f"engine {precision}", engine_seconds(model, clip, args.key_num, "exact")))
        if args.fast and index == len(args.precision) - 1:
            rows.append((f"engine {precision} fast", engine_seconds(model, clip, args.key_num, "fast")))
        clock = StageClock(model.device)
        watch(model, clock)
        conv = ConvRate(model.network.prop_head.RF2.ResMM.conv1, model.device)
        read = ReadRate(model.network.prop_head, clock, "memory read")
        with FlopCounterMode(display=False) as counter, count_fast() as fast:
            total = engine_seconds(model, clip, args.key_num, "exact")
        direct = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
        print(f"\n{precision}, {machine(model.device)}\n{'stage':30}{'seconds':>9}{'share':>8}{'calls':>8}")
        for stage, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
            print(f"{stage:30}{seconds:9.2f}{seconds / total:8.1%}{clock.calls[stage]:8d}")
        print(f"{'everything else':30}{total - sum(clock.seconds.values()):9.2f}")
        if args.clip is None:
            print(f"{'not in the sum: detection':30}{detection:9.2f}  (here the objects are given)")
        inside, alone, direct_alone = conv.report()
        print(f"decoder convolution: {share(inside, alone)}; as a direct one {direct_alone:.0f}")
        read_inside, read_alone = read.report()
        print(f"products of the memory read: {share(read_inside, read_alone)}")
        floor = sum(fast) / alone / 1e9 + direct / direct_alone / 1e9 + read.flops / read_alone / 1e9
        work = f"{(sum(fast) + direct) / 1e12:.1f} TFLOP of convolutions ({sum(fast) / 1e12:.1f} of them with fewer)"
        print(f"floor: {work}, {read.flops / 1e12:.1f} of memory reads")
        print(f"at these rates alone {floor:.1f} s, {floor / total:.0%} of the run")
        print(f"peak memory {peak_memory_mb(model.device):.0f} MB")
    if not args.no_plain:
        model = build(args.config, args.checkpoint, "float32", args.device, {})
        if args.clip is None:
            fix_objects(model, args.objects)
        rows.append((PLAIN, plain_seconds(model, clip, args.key_num)))
    reference = dict(rows).get(PLAIN)
    objects = f"{args.objects * args.key_num} objects" if args.clip is None else f"objects of {args.clip.name}"
    print(f"\n{len(clip)} frames of {clip.width}x{clip.height}, {args.key_num} key frames, {objects}")
    for name, seconds in rows:
        ratio = f"{reference / seconds:6.2f}x" if reference else ""
        print(f"{name:26}{seconds:9.1f} s {len(clip) / seconds:8.3f} frames/s {ratio}")


if __name__ == "__main__":
    run_command(main)
