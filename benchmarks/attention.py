#!/usr/bin/env python3
"""The memory read: the fused kernel with padded keys beside plain products, over growing memories."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import best_of, machine
from mmdet_vis.device import resolve_device
from mmdet_vis.errors import run_command
from mmdet_vis.ops.attention import FUSED_FROM, read_fused_padded, read_plain

KEY_WIDTH, VALUE_WIDTH = 64, 256


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--positions", type=int, default=960, help="of one frame: 960 are 640x384 at 1/16")
    parser.add_argument("--entries", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8, 16, 32], help="frames remembered")
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; the shortest time counts")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    args = parser.parse_args()
    device = resolve_device(args.device)
    print(f"{machine(device)}\n{args.objects} objects, {args.positions} positions of {KEY_WIDTH} and {VALUE_WIDTH}")
    print(f"the engine uses the fused kernel on the CPU from {FUSED_FROM} entries on, without gradients")
    for precision in args.precision:
        dtype = getattr(torch, precision)
        print(f"\n{precision:10}{'entries':>8}{'plain ms':>10}{'fused ms':>10}{'plain / fused':>15}{'difference':>12}")
        for entries in args.entries:
            generator = torch.Generator().manual_seed(0)
            shapes = (args.positions, KEY_WIDTH), *((args.objects, entries * args.positions, w) for w in (64, 256))
            query, keys, values = (torch.randn(s, generator=generator).to(device, dtype) for s in shapes)
            with torch.no_grad():
                plain = best_of(lambda: read_plain(query, keys, values), args.repeats, device)  # noqa: B023
                fused = best_of(lambda: read_fused_padded(query, keys, values), args.repeats, device)  # noqa: B023
                difference = (read_plain(query, keys, values) - read_fused_padded(query, keys, values)).abs().max()
            row = f"{1e3 * plain:10.1f}{1e3 * fused:10.1f}{plain / fused:15.2f}{float(difference):12.1e}"
            print(f"{'':10}{entries:8d}{row}", flush=True)


if __name__ == "__main__":
    run_command(main)
