"""Where a training run keeps its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdet_vis.engine.run_lock import RunLock
from mmdet_vis.engine.training.runner import latest_state
from mmdet_vis.engine.workers import Workers
from mmdet_vis.errors import ConfigError
from mmdet_vis.evaluation.writers.files import ensure_writable_dir, remove_unfinished


@contextmanager
def locked_work_dir(folder: Path, workers: Workers) -> Iterator[None]:
    """Make the folder, prove that it can be written to, and keep other runs out of it.

    Raises:
        OutputError: it cannot, or another run writes there.
    """
    lock = RunLock(folder)

    def take() -> None:
        ensure_writable_dir(folder)
        lock.acquire()
        remove_unfinished([folder])
        if workers.size > 1:
            lock.share()

    try:
        workers.on_first(take)
        if workers.rank > 0:
            lock.join()
        yield
    finally:
        lock.release()


def choose_state(folder: Path, resume: bool) -> Path | None:
    """The checkpoint to continue from, if any.

    Raises:
        ConfigError: there is none to resume from, or there is one and ``resume`` was not asked for.
    """
    state = latest_state(folder)
    if resume and state is None:
        raise ConfigError(f"--resume: {folder} has no iter_*.pth to continue from: leave --resume out to start")
    if state is not None and not resume:
        raise ConfigError(
            f"{folder} already holds training up to {state.name}: add --resume to continue, or choose another "
            "--work-dir"
        )
    return state
