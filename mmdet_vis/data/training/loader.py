"""The loader of training batches."""

from __future__ import annotations

import atexit
import multiprocessing
import resource
import signal
from functools import cache

import cv2
import torch
from torch.utils.data import DataLoader

from mmdet_vis.data.training.base import ClipDataset
from mmdet_vis.data.training.sampler import ClipSampler
from mmdet_vis.structures.clip import TrainingClip


def collate(clips: list[TrainingClip]) -> list[TrainingClip]:
    """A batch is the list of its clips: their sizes differ."""
    return clips


def build_loader(
    dataset: ClipDataset,
    batch_size: int,
    num_workers: int = 2,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    start: int = 0,
) -> DataLoader[list[TrainingClip]]:
    """An endless loader of lists of clips; ``len`` is the number of batches per epoch.

    Args:
        dataset: the samples.
        batch_size: clips per batch of this process.
        num_workers: processes that load, 0 for none.
        seed: see :class:`ClipSampler`, as the other arguments.
        rank: number of this process.
        world_size: number of processes.
        start: batches to skip.
    """
    if num_workers:
        _allow_files()
        _end_workers_at_exit()
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=ClipSampler(dataset, batch_size, seed, rank, world_size, start),
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=_init_worker,
        pin_memory=torch.cuda.is_available(),
        # The loader draws a number from it; the global source of randomness stays as training left it.
        generator=torch.Generator().manual_seed(seed),
    )


def _init_worker(number: int) -> None:
    """One thread per worker: there are as many workers as are wanted to be busy."""
    # A signal to the whole group stops training after the step under way, for which workers must live. All threads of a
    # process share this, unlike a mask.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _allow_files()


@cache
def _end_workers_at_exit() -> None:
    """Let no worker keep the process from ending: multiprocessing would ask by SIGTERM, to which they are deaf."""
    # Registered after multiprocessing's own function, and so called before it.
    atexit.register(_kill_workers)


def _kill_workers() -> None:
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def _allow_files() -> None:
    """Let the process open as many files as it may: every tensor on its way from a worker is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
