#!/usr/bin/env python3
"""Frames per second of the default model beside YOLO11n-seg, a small one-stage segmenter, on the same frames.

Both run in turn, on the same CPU and threads, in one run: what else the machine does falls on both. YOLO11n-seg is the
architecture of the package ultralytics with random weights. That package is in an environment of its own, which is made
in --env at the first run (it takes torch from this one), or in that of --python; it is no dependency of the project.
The default model segments and tracks with the settings that it recommends; YOLO11n-seg segments each frame alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from benchmarks.common import ROOT, machine
from mmdet_vis.api import load_model, segment_video
from mmdet_vis.choices import CPU_PRECISIONS
from mmdet_vis.commands.arguments import positive
from mmdet_vis.data.sources import Frame, open_source
from mmdet_vis.errors import UserError, run_command

CLIPS = [ROOT / "demo/inputs/on_the_lawn.mp4", ROOT / "demo/inputs/raccoon_and_astronaut"]


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, default=CLIPS, help="videos or folders (default: demo/inputs)")
    parser.add_argument("--checkpoint", type=Path, help="weights with their config (default: the default model)")
    parser.add_argument("--precision", choices=CPU_PRECISIONS, help="default: what the model recommends")
    parser.add_argument("--size", type=positive, default=640, help="side of YOLO11n-seg's input (default 640)")
    parser.add_argument("--rounds", type=positive, default=3, help="runs of each, in turn; the fastest counts (3)")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="of both (default: all)")
    parser.add_argument("--python", type=Path, help="Python of an environment with ultralytics")
    parser.add_argument(
        "--env", type=Path, default=ROOT / "work_dirs/yolo_env", help="environment to make (default work_dirs/yolo_env)"
    )
    return parser.parse_args()


def make_environment(folder: Path) -> Path:
    """The Python of an environment with ultralytics, which is made unless it is there.

    Raises:
        UserError: it cannot be made.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "done").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            site = next(folder.rglob("site-packages"))
            # torch and the like are those of this environment, for the same speed and without a second download.
            (site / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
            subprocess.run([python, "-m", "pip", "install", "--quiet", "ultralytics"], check=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            raise UserError(f"no environment with ultralytics in {folder} ({error}): give one with --python") from error
        (folder / "done").touch()
    return python


class Yolo:
    """YOLO11n-seg in a process of its own, on the frames of a clip; it ends with the block."""

    def __init__(self, python: Path, frames: Sequence[Frame], size: int, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mmdet_vis_yolo_")
        path = Path(self._folder.name) / "frames.npy"
        np.save(path, np.stack(frames))
        script = Path(__file__).with_name("yolo_process.py")
        command = [str(python), str(script), str(path), str(size), str(threads)]
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "YOLO_CONFIG_DIR": self._folder.name}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=self._folder.name
        )
        self.version = self._line()

    def __enter__(self) -> Yolo:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def seconds(self) -> float:
        """Time of one pass over all frames."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        # It may say something of its own before.
        for line in self._process.stdout:
            if line.startswith("ultralytics ") or line.strip().replace(".", "", 1).isdigit():
                return line.strip()
        raise UserError(f"YOLO11n-seg does not run with {self._process.args!r}: what went wrong stands above")


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(weights=args.checkpoint, device="cpu", precision=args.precision)
    python = args.python or make_environment(args.env)
    print(machine(model.device))
    print("\n| clip | frames | default model | YOLO11n-seg | ratio |\n|---|---|---|---|---|")
    for clip in args.clips:
        with open_source(clip) as source:
            frames = source.read(0, len(source))
        own, other = [], []
        with Yolo(python, frames, args.size, args.threads) as yolo:
            for number in range(args.rounds + 1):
                start = time.perf_counter()
                segment_video(model, frames)
                seconds = time.perf_counter() - start, yolo.seconds()
                if number:  # the first of each warms up
                    own.append(seconds[0])
                    other.append(seconds[1])
            version = yolo.version
        fast, slow = len(frames) / min(own), len(frames) / min(other)
        print(f"| {clip.name} | {len(frames)} | {fast:.2f} | {slow:.2f} | {fast / slow:.2f} |", flush=True)
    print(f"\nframes/s, {model.precision.name} and float32, {args.size} px; {version}")


if __name__ == "__main__":
    run_command(main)
