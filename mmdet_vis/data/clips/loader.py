"""The loader of training batches."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from mmdet_vis.data.clips.base import ClipDataset, SampleKey
from mmdet_vis.structures.clip import TrainingClip


class ClipSampler(Sampler[list[SampleKey]]):
    """Endless batches: epoch after epoch, each in its own random order that the seed determines.

    A batch holds samples of one kind only, landscape or not; where a kind does not fill its last batch, samples of it
    are repeated. Each batch is made for all processes and then cut into equal shares, so that two processes see
    together what one with twice the batch sees.

    Args:
        dataset: the samples.
        batch_size: samples per batch of one process.
        seed: determines everything.
        rank: number of this process.
        world_size: number of processes.
        start: batches that are skipped (those that were used before training is resumed).

    Raises:
        ValueError: a number is out of its range.
    """

    def __init__(
        self, dataset: ClipDataset, batch_size: int, seed: int, rank: int = 0, world_size: int = 1, start: int = 0
    ) -> None:
        if batch_size < 1 or seed < 0 or start < 0 or not 0 <= rank < world_size:
            raise ValueError(
                f"{batch_size=} must be 1 or more, {seed=} and {start=} 0 or more, {rank=} below {world_size=}"
            )
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.rank, self.world_size, self.start = rank, world_size, start
        total = batch_size * world_size
        wide = dataset.landscape[dataset.epoch(np.random.default_rng(0))]
        self._per_epoch = sum(-(-int(np.count_nonzero(wide == kind)) // total) for kind in (False, True))

    def __len__(self) -> int:
        """Batches per epoch (the sampler itself never ends)."""
        return self._per_epoch

    def __iter__(self) -> Iterator[list[SampleKey]]:
        epoch, first = divmod(self.start, len(self))
        share = slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        while True:
            for batch in self._epoch(epoch)[first:]:
                yield batch[share]
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch: int) -> list[list[SampleKey]]:
        """All batches of an epoch, of all processes."""
        rng = np.random.default_rng([self.seed, epoch])
        order = self.dataset.epoch(rng)
        total = self.batch_size * self.world_size
        batches = []
        for kind in (False, True):
            indices = order[self.dataset.landscape[order] == kind]
            missing = -len(indices) % total
            indices = np.concatenate([indices, np.resize(indices, missing)])
            seeds = rng.integers(2**63, size=len(indices))
            keys = list(zip(indices.tolist(), seeds.tolist(), strict=True))
            batches += [keys[at : at + total] for at in range(0, len(keys), total)]
        return [batches[number] for number in rng.permutation(len(batches))]


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

    ``num_workers`` processes load, or this one if that is 0; other arguments are those of :class:`ClipSampler`.
    """
    if num_workers:
        _allow_files()
        _end_workers_at_exit()
    return DataLoader(
        dataset,  # type: ignore[arg-type]
        batch_sampler=ClipSampler(dataset, batch_size, seed, rank, world_size, start),
        num_workers=num_workers,
        collate_fn=list,  # their sizes differ
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
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
