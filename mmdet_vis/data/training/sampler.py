"""Batches of sample keys, the same however many processes share them and wherever training is resumed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from mmdet_vis.data.training.base import ClipDataset, SampleKey


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
        self,
        dataset: ClipDataset,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
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
