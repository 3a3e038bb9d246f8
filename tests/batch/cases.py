"""Short clips, a list of them, and batches over it with the tiny network."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmdet_vis.batch.engines import EngineOptions
from mmdet_vis.batch.run import Batch, run_batch
from mmdet_vis.batch.worker import WorkerPlan
from mmdet_vis.config.load import load_config
from mmdet_vis.run.options import RunOptions
from mmdet_vis.visualization.video_writer import VideoWriter
from tests.tiny import moving_frames

SIZE = {"height": 48, "width": 64}


def write_clip(path: Path, frames: int, seed: int = 0) -> Path:
    """An mp4 of so many frames."""
    content = moving_frames(frames, seed=seed, **SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 10, content[0].shape[:2]) as video:
        for frame in content:
            video.write(frame)
    return path


def write_list(folder: Path, lengths: Sequence[int]) -> Path:
    """Clips of these lengths and the list of them, ``videos.jsonl``."""
    rows = []
    for number, frames in enumerate(lengths):
        write_clip(folder / f"clip{number:02d}.mp4", frames, seed=number)
        rows.append({"uri": f"clip{number:02d}.mp4", "frames": frames})
    path = folder / "videos.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def plan(tiny: tuple[Path, Path], out: Path | str, **changes: Any) -> WorkerPlan:
    """For workers with one key frame, one thread, and results alone."""
    options = RunOptions(formats=changes.pop("formats", ("json",)), key_num=1, show_thr=0.0)
    facts: dict[str, Any] = {"device": "cpu", "threads": 1, "chunk": 40, "overlap": 3} | changes
    return WorkerPlan(load_config(tiny[0]), tiny[1], options, out=str(out), **facts)


def run(tiny: tuple[Path, Path], videos: Path, out: Path | str, workers: int = 0, **changes: Any) -> int:
    """A batch; with no workers of its own, in this process."""
    fields = {name: changes.pop(name) for name in ("engine", "shard", "resume", "merge", "dry_run") if name in changes}
    return run_batch(Batch(str(videos), plan(tiny, out, **changes), options=EngineOptions(workers), **fields))


def contents(out: Path) -> dict[str, bytes]:
    """All files of a batch but those that have times in them."""
    timed = ("status.parquet", "report.json")
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in timed]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def model_arguments(tiny: tuple[Path, Path]) -> list[str]:
    """What the command is told to do the same as :func:`run`."""
    words = ["--config", str(tiny[0]), "--weights", str(tiny[1]), "--device", "cpu", "--threads", "1"]
    return [*words, "--key-num", "1", "--show-thr", "0", "--chunk", "40", "--overlap", "3"]


def everything_ended(pids: list[int]) -> None:
    """Wait until these processes are gone."""
    deadline = time.monotonic() + 180  # Ray's agents look for their parent now and then
    while left := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    with suppress(ChildProcessError):  # Orphans are this process's, and Ray takes one for alive until it is seen to.
        os.waitpid(pid, os.WNOHANG)
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
