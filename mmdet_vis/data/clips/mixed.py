"""Several training datasets as one, with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.base import ClipDataset
from mmdet_vis.data.clips.raw import RawClip
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import DATASETS, build_part


@DATASETS.register_module()
class MixedClips(ClipDataset):
    """Samples of several datasets, of each as many as its weight says.

    Within an epoch no sample of a dataset comes twice before all of them have come once; which ones come differs from
    epoch to epoch where an epoch does not hold all.

    Args:
        datasets: configs of training datasets, of the same categories.
        weights: one positive number per dataset: its share of the samples is this over the sum of all.
        epoch_size: samples per epoch; as many as all datasets have together by default.
        pipeline: configs of transforms, applied after those of the datasets.

    Raises:
        ConfigError: weights or categories do not agree.
    """

    def __init__(
        self,
        datasets: Sequence[dict[str, Any] | ClipDataset],
        weights: Sequence[float],
        epoch_size: int | None = None,
        pipeline: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(pipeline)
        self.datasets: list[ClipDataset] = [
            part if isinstance(part, ClipDataset) else build_part(DATASETS, part, f"datasets[{number}]")
            for number, part in enumerate(datasets)
        ]
        if not self.datasets or len(weights) != len(self.datasets) or min(weights) <= 0:
            raise ConfigError(f"MixedClips: weights={weights} must be one positive number for each of its datasets")
        self.categories = self.datasets[0].categories
        for number, part in enumerate(self.datasets):
            if part.categories != self.categories:
                raise ConfigError(
                    f"MixedClips: datasets[{number}] has other categories than datasets[0]: give both the same"
                )
        self.landscape = np.concatenate([part.landscape for part in self.datasets])
        self._first = np.cumsum([0, *(len(part) for part in self.datasets)])
        size = len(self) if epoch_size is None else epoch_size
        if size < 1:
            raise ConfigError(f"MixedClips: epoch_size={epoch_size} must be 1 or more")
        shares = np.asarray(weights, np.float64) / sum(weights)
        self._quotas = [
            _quotas(part.landscape, size * share) for part, share in zip(self.datasets, shares, strict=True)
        ]

    def load(self, index: int, rng: np.random.Generator) -> RawClip:
        """See :meth:`ClipDataset.load`."""
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        return self.datasets[number].draw(index - int(self._first[number]), rng)

    def epoch(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """See :meth:`ClipDataset.epoch`."""
        parts = []
        for part, quotas, first in zip(self.datasets, self._quotas, self._first, strict=False):
            for kind, quota in quotas.items():
                drawn: NDArray[np.int64] = np.zeros(0, np.int64)
                while len(drawn) < quota:
                    order = part.epoch(rng)
                    drawn = np.concatenate([drawn, order[part.landscape[order] == kind]])
                parts.append(first + drawn[:quota])
        return rng.permutation(np.concatenate(parts))


def _quotas(landscape: NDArray[np.bool_], size: float) -> dict[bool, int]:
    """How many of ``size`` samples are landscape and how many are not: as in the dataset, at least one of each kind."""
    counts = {kind: int(np.count_nonzero(landscape == kind)) for kind in (False, True)}
    return {kind: max(1, round(size * count / len(landscape))) for kind, count in counts.items() if count}
