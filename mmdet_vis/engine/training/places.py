"""Where a training run keeps its files."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.engine.training.runner import latest_state
from mmdet_vis.errors import ConfigError
from mmdet_vis.evaluation.writers.files import ensure_writable_dir


def prepare_work_dir(folder: Path) -> Path:
    """Make the folder, and prove that it can be written to.

    Raises:
        OutputError: it cannot.
    """
    ensure_writable_dir(folder)
    return folder


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
