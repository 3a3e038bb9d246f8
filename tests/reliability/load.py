"""Long runs: memory, open files, threads and speed over many videos and over hours of a stream.

    python tests/reliability/load.py --videos 500 --hours 3 --fps 2 --plot docs/images/load.png

Two runs of ``tools/test_vis.py`` with a small network: many short videos (``--input-dir``), and one video of many
hours' frames through ``--stream``. The process is looked at from outside while it works. Exit code 1: memory, open
files or threads grew, or the speed fell, by more than the tolerances below over the steady part of a run, which begins
after a quarter of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from matplotlib.figure import Figure

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.programs import ROOT
from tests.tiny import moving_frames, write_checkpoint, write_config

MEMORY_TOLERANCE = 0.05
"""Growth of the resident memory over the steady part, as a share of its mean."""
COUNT_TOLERANCE = 2.0
"""Growth of the numbers of open files and of threads."""
SPEED_TOLERANCE = 0.15
"""Loss of frames per second of processor time, as a share of its mean: other programs do not count."""
WARM_UP = 0.25
SIZE = 32
OPTIONS = (
    "--device",
    "cpu",
    "--key-num",
    "1",
    "--show-thr",
    "0",
    "--cfg-options",
    "data_preprocessor.img_scale=(64,64)",
)


@dataclass(frozen=True)
class Sample:
    """A look at the process.

    Attributes:
        seconds: since its start.
        cpu: seconds of processor time that it took so far.
        frames: how many have results.
        memory: resident bytes.
        files, threads: how many are open.
    """

    seconds: float
    cpu: float
    frames: int
    memory: int
    files: int
    threads: int


def look(pid: int, seconds: float, frames: int) -> Sample | None:
    """A sample of a process; None once it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    memory = int(stat[21]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(seconds, (int(stat[11]) + int(stat[12])) / ticks, frames, memory, files, int(stat[17]))


def watch(command: Sequence[str], frames: Callable[[], int], total: int, log: Path, samples: int) -> list[Sample]:
    """Run a command to its end and sample it each time that another share of the frames is done.

    Raises:
        RuntimeError: it failed.
    """
    found: list[Sample] = []
    start = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        while process.poll() is None:
            time.sleep(0.2)
            done = frames()
            if done and (not found or done - found[-1].frames >= total / samples):
                sample = look(process.pid, time.monotonic() - start, done)
                if sample is not None and sample.memory:
                    found.append(sample)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed with {process.returncode}: {log.read_text()[-2000:]}")
    return found


def steady(samples: Sequence[Sample]) -> list[Sample]:
    """The samples after the warm-up."""
    begin = WARM_UP * samples[-1].frames
    return [sample for sample in samples if sample.frames >= begin]


def growth(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """How much a straight line through the values rises from the first sample to the last."""
    frames = np.array([sample.frames for sample in samples], float)
    slope = np.polyfit(frames - frames.mean(), values, 1)[0]
    return float(slope * (frames[-1] - frames[0]))


def speeds(samples: Sequence[Sample]) -> list[float]:
    """Frames per second of processor time before each sample but the first."""
    return [(b.frames - a.frames) / max(b.cpu - a.cpu, 0.01) for a, b in pairwise(samples)]


@dataclass(frozen=True)
class Verdict:
    """What a run's steady part shows.

    Attributes:
        frames: of the whole run.
        seconds: its duration.
        memory, memory_growth: mean resident bytes, and how much they grew.
        files_growth, threads_growth: how much their numbers grew.
        speed, speed_growth: frames per second of processor time, and how much that grew (less than 0: fell).
        problems: what is beyond the tolerances.
    """

    frames: int
    seconds: float
    memory: float
    memory_growth: float
    files: float
    files_growth: float
    threads: float
    threads_growth: float
    speed: float
    speed_growth: float
    problems: tuple[str, ...]


def judge(samples: Sequence[Sample]) -> Verdict:
    """Compare the steady part of a run with the tolerances.

    Raises:
        ValueError: fewer than 8 samples, which show nothing.
    """
    part = steady(samples)
    if len(part) < 8:
        raise ValueError(f"{len(part)} samples after the warm-up are too few")
    memory = [float(s.memory) for s in part]
    files, threads = [float(s.files) for s in part], [float(s.threads) for s in part]
    speed = speeds(part)
    rises = growth(part, memory), growth(part, files), growth(part, threads), growth(part[1:], speed)
    problems = []
    if rises[0] > MEMORY_TOLERANCE * np.mean(memory):
        problems.append(f"memory grew by {rises[0] / 2**20:.1f} MB")
    for name, rise in (("open files", rises[1]), ("threads", rises[2])):
        if rise > COUNT_TOLERANCE:
            problems.append(f"{name} grew by {rise:.1f}")
    if rises[3] < -SPEED_TOLERANCE * np.mean(speed):
        problems.append(f"frames per processor second fell by {-rises[3]:.1f}")
    return Verdict(
        samples[-1].frames, samples[-1].seconds, float(np.mean(memory)), rises[0], float(np.mean(files)), rises[1],
        float(np.mean(threads)), rises[2], float(np.mean(speed)), rises[3], tuple(problems),
    )  # fmt: skip


def encode(path: Path, number: int, fps: int, seed: int) -> None:
    """Write a video of a moving square, 32 x 32 pixels."""
    frames = moving_frames(64, SIZE, SIZE, seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "threads": "1"})
        stream.height = stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        pictures = [av.VideoFrame.from_ndarray(frame, format="bgr24").reformat(format="yuv420p") for frame in frames]
        for t in range(number):
            picture = pictures[t % len(pictures)]
            picture.pts = t
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


class LineCounter:
    """Counts the lines of a file that grows, without reading it again each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = self._lines = 0

    def __call__(self) -> int:
        """Lines so far."""
        if self._path.exists():
            with open(self._path, "rb") as file:
                file.seek(self._place)
                while block := file.read(1 << 20):
                    self._lines += block.count(b"\n")
                    self._place += len(block)
        return self._lines


def many_videos(folder: Path, model: Sequence[str], number: int, frames: int, samples: int) -> list[Sample]:
    """Many short videos in one run, with JSON and video."""
    videos, save = folder / "videos", folder / "videos_out"
    videos.mkdir()
    for index in range(number):
        encode(videos / f"v{index:05d}.mp4", frames, 6, index)
    command = [sys.executable, str(ROOT / "tools/test_vis.py"), *model, "--input-dir", str(videos)]
    command += ["--save-dir", str(save), "--format", "json,video", *OPTIONS]
    progress = save / ".progress"

    def done() -> int:
        return frames * max(len(list(progress.glob("[!.]*.json"))) - 1, 0)

    return watch(command, done, number * frames, folder / "videos.log", samples)


def long_stream(folder: Path, model: Sequence[str], frames: int, fps: int, samples: int) -> list[Sample]:
    """Hours of one video as a stream, with JSON lines and video."""
    video, save = folder / "hours.mkv", folder / "stream_out"
    encode(video, frames, fps, 0)
    command = [sys.executable, str(ROOT / "tools/test_vis.py"), *model, "--stream", str(video)]
    command += ["--save-dir", str(save), "--window", "40", "--overlap", "4", *OPTIONS]
    return watch(command, LineCounter(save / "hours.jsonl"), frames, folder / "stream.log", samples)


def plot(runs: dict[str, Sequence[Sample]], path: Path) -> None:
    """Draw memory, open files, threads and speed of each run against its frames."""
    figure = Figure(figsize=(11, 3.2 * len(runs)), layout="constrained")
    rows = figure.subplots(len(runs), 3, squeeze=False)
    for row, (name, samples) in zip(rows, runs.items(), strict=True):
        frames = [sample.frames for sample in samples]
        row[0].plot(frames, [sample.memory / 2**20 for sample in samples])
        row[0].set(ylabel="resident memory, MB", title=name)
        row[1].plot(frames, [sample.files for sample in samples], label="open files")
        row[1].plot(frames, [sample.threads for sample in samples], label="threads")
        row[1].legend(fontsize="small")
        row[2].plot(frames[1:], speeds(samples))
        row[2].set(ylabel="frames per processor second")
        for axis in row:
            axis.set_xlabel("frames")
            axis.set_ylim(0, 1.15 * max(value for line in axis.lines for value in line.get_ydata()))
            axis.axvspan(0, WARM_UP * frames[-1], color="0.93")
            axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def table(verdicts: dict[str, Verdict]) -> str:
    """The outcome as Markdown; growth is that of the steady part."""
    lines = [
        "| run | frames | time | memory | growth | open files | growth | threads | growth | frames per CPU second "
        "| change |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, v in verdicts.items():
        lines.append(
            f"| {name} | {v.frames} | {v.seconds:.0f} s | {v.memory / 2**20:.0f} MB | {v.memory_growth / 2**20:+.1f} MB"
            f" | {v.files:.1f} | {v.files_growth:+.1f} | {v.threads:.1f} | {v.threads_growth:+.1f} | {v.speed:.0f} | "
            f"{v.speed_growth:+.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run both; 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=500, help="short videos (default 500); 0 leaves them out")
    parser.add_argument("--length", type=int, default=6, help="frames of each (default 6)")
    parser.add_argument("--hours", type=float, default=3, help="length of the stream (default 3); 0 leaves it out")
    parser.add_argument("--fps", type=int, default=2, help="frames per second of the stream (default 2)")
    parser.add_argument("--samples", type=int, default=100, help="looks at each run (default 100)")
    parser.add_argument("--plot", type=Path, help="PNG to write")
    parser.add_argument("--out", type=Path, help="JSON file for the samples")
    args = parser.parse_args()
    runs: dict[str, Sequence[Sample]] = {}
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        config = write_config(folder, ROOT)
        model = [str(config), str(write_checkpoint(config, folder / "tiny.safetensors"))]
        if args.videos:
            shown = f"{args.videos} videos of {args.length} frames"
            runs[shown] = many_videos(folder, model, args.videos, args.length, args.samples)
        if args.hours:
            shown = f"a stream of {args.hours:g} h at {args.fps} frames/s"
            runs[shown] = long_stream(folder, model, int(args.hours * 3600 * args.fps), args.fps, args.samples)
    verdicts = {name: judge(samples) for name, samples in runs.items()}
    print(table(verdicts))
    if args.plot is not None:
        plot(runs, args.plot)
    if args.out is not None:
        args.out.write_text(json.dumps({name: [asdict(s) for s in samples] for name, samples in runs.items()}) + "\n")
    problems = [f"{name}: {problem}" for name, v in verdicts.items() for problem in v.problems]
    for problem in problems:
        print(f"PROBLEM {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
