#!/usr/bin/env python3
"""Clips per second that the training loader makes, over numbers of loading processes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmdet_vis.commands.arguments import add_config_options, positive, read_config
from mmdet_vis.data.clips.loader import build_loader
from mmdet_vis.errors import run_command
from mmdet_vis.training.setup import build_training_dataset


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, help="config with a train block")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2, 4], help="loading processes; 0: none")
    parser.add_argument("--clips", type=positive, default=200, help="clips of each row")
    add_config_options(parser)
    args = parser.parse_args()
    if min(args.workers) < 0:
        parser.error(f"argument --workers: {min(args.workers)}: use whole numbers from 0 on")
    config = read_config(args)
    dataset = build_training_dataset(config)
    batch_size = config.train.batch_size
    batches = -(-args.clips // batch_size)
    print(f"{len(dataset)} clips in {type(dataset).__name__}, {batch_size} per batch, {os.cpu_count()} CPU threads")
    print(f"{'workers':>8}{'first batch, s':>16}{'clips/s':>10}")
    for workers in args.workers:
        start = time.perf_counter()
        loader = iter(build_loader(dataset, batch_size, workers))
        next(loader)
        first = time.perf_counter() - start
        for _ in range(2 * workers):  # what the processes had made ahead by then
            next(loader)
        start = time.perf_counter()
        for _ in range(batches):
            next(loader)
        print(f"{workers:8d}{first:16.2f}{batches * batch_size / (time.perf_counter() - start):10.1f}", flush=True)
        del loader


if __name__ == "__main__":
    run_command(main)
