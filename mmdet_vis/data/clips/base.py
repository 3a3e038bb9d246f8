"""What every training dataset offers: samples that depend on their key alone, and a way past broken files."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.raw import BrokenSampleError, RawClip
from mmdet_vis.errors import DatasetError
from mmdet_vis.registry import TRANSFORMS, build_part
from mmdet_vis.structures.clip import TrainingClip

SampleKey = tuple[int, int]
"""Index of a sample and the seed of its random choices."""

# So many broken samples in a row are no accident.
_MAX_BROKEN = 20


class ClipDataset(ABC):
    """Training clips.

    Attributes:
        categories: C names, in the order of the network's classes (class 1 is ``categories[0]``).
        landscape: ``[N]`` bool, whether the frames of each sample are wider than high: only samples that agree in it
            come into one batch.

    Args:
        pipeline: configs of transforms, applied in this order to each clip.
    """

    categories: tuple[str, ...]
    landscape: NDArray[np.bool_]

    def __init__(self, pipeline: Sequence[dict[str, Any]] = ()) -> None:
        self.transforms = [
            build_part(TRANSFORMS, config, f"{type(self).__name__}: pipeline[{number}]")
            for number, config in enumerate(pipeline)
        ]
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return len(self.landscape)

    @abstractmethod
    def load(self, index: int, rng: np.random.Generator) -> RawClip:
        """Sample ``index`` before the transforms.

        Raises:
            BrokenSampleError: an image or a mask of it cannot be read.
        """

    def sample(self, index: int, rng: np.random.Generator) -> TrainingClip:
        """Sample ``index``; all random choices come from ``rng``.

        Raises:
            BrokenSampleError: an image or a mask of it cannot be read.
        """
        return self.draw(index, rng).finish()

    def draw(self, index: int, rng: np.random.Generator) -> RawClip:
        """Sample ``index`` after the transforms, as arrays."""
        clip = self.load(index, rng)
        for transform in self.transforms:
            clip = transform(clip, rng)
        return clip

    def __getitem__(self, key: SampleKey) -> TrainingClip:
        """The sample of a key: the same in every process and at every time; the seed goes on to the training step.

        In place of a broken one comes another, which the key determines too; a warning names the broken file, once in
        a process.

        Raises:
            DatasetError: 20 samples in a row are broken.
        """
        index, seed = key
        for attempt in range(_MAX_BROKEN):
            rng = np.random.default_rng([seed, index, attempt])
            try:
                clip = self.sample(index, rng)
                clip.seed = seed
                return clip
            except BrokenSampleError as error:
                last = error
                if error.file not in self._warned:
                    self._warned.add(error.file)
                    warnings.warn(f"{error}; other samples take its place in training", stacklevel=2)
            same = np.flatnonzero(self.landscape == self.landscape[index])
            index = int(same[rng.integers(len(same))])
        raise DatasetError(f"{_MAX_BROKEN} samples in a row cannot be read, the last because of {last}")

    def epoch(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Indices of the samples of one epoch in random order: ``[N]`` int64.

        How many of them are landscape is the same in every epoch.
        """
        return rng.permutation(len(self))
