"""The loader of training batches."""

from __future__ import annotations

import os
import resource
import signal
import threading

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
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=ClipSampler(dataset, batch_size, seed, rank, world_size, start),
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=_init_worker,
        # The loader draws a number from it; the global source of randomness stays as training left it.
        generator=torch.Generator().manual_seed(seed),
    )


def _init_worker(number: int) -> None:
    """One thread per worker: there are as many workers as are wanted to be busy."""
    _heed_parent_only()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _allow_files()


def _heed_parent_only() -> None:
    """Make SIGINT and SIGTERM harmless, except for a SIGTERM of the process that started this one.

    A signal to the whole group stops training after the step under way, for which workers must live; but at its end the
    process stops its workers by SIGTERM and waits until they are gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS: there the loader's iterator must be deleted before the end
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_wait_for_end, args=(os.getppid(),), daemon=True).start()


def _wait_for_end(parent: int) -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(0)


def _allow_files() -> None:
    """Let the process open as many files as it may: every tensor on its way from a worker is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
