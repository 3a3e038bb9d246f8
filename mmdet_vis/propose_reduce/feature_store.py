"""Features of a video's frames: computed once while they fit into a byte budget, recomputed beyond it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.heads.propagation import FrameTerms
from mmdet_vis.models.seq_mask_rcnn import Features, SeqMaskRCNN


@dataclass
class FrameFeatures:
    """What the sweeps need of one frame.

    Attributes:
        levels: P2..P5, ``[1, C, h, w]`` each, for classifying boxes.
        terms: for propagation; its ``p2`` is ``levels[0]``.
    """

    levels: tuple[Tensor, ...]
    terms: FrameTerms

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        shared = sum(t.nbytes for t in self.levels[1:])
        return shared + sum(t.nbytes for t in self.terms.tensors())


class FrameReader(Protocol):
    """The part of a frame source that the store uses."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> list[NDArray[np.uint8]]:
        """Frames ``[start, stop)`` as BGR uint8 ``[H, W, 3]``."""
        ...


class Preprocess(Protocol):
    """Frames to the network's input."""

    def __call__(self, frames: Sequence[NDArray[np.uint8]]) -> Tensor:
        """BGR uint8 frames to ``[B, 3, H, W]`` float32."""
        ...


class FeatureStore:
    """Features by frame index, for sweeps that visit the frames in order.

    Frames are computed in batches on a fixed grid of the video, so that a frame that has to be recomputed gives the
    same numbers. One batch is read ahead of the sweep in a background thread. When the budget is full, the frame that
    is needed last is dropped: in the forward sweep (a backward one follows) that is the earliest one passed.

    Args:
        model: the network.
        source: the video.
        preprocess: frames to network input.
        device, dtype: where and in which precision the features are computed.
        budget: bytes of features kept; at least one batch is held whatever the budget.
        batch_size: frames per batch.
    """

    def __init__(
        self,
        model: SeqMaskRCNN,
        source: FrameReader,
        preprocess: Preprocess,
        device: torch.device,
        dtype: torch.dtype,
        budget: int,
        batch_size: int,
    ) -> None:
        self.model = model
        self.source = source
        self.preprocess = preprocess
        self.device = device
        self.dtype = dtype
        self.budget = budget
        self.batch_size = max(1, batch_size)
        self.computed = 0
        self._exact: set[int] = set()
        self._frames: dict[int, FrameFeatures] = {}
        self._bytes = 0
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="frame-reader")
        self._ahead: dict[int, Future[Tensor]] = {}

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop all features and stop reading ahead."""
        self._frames.clear()
        self._reader.shutdown(wait=True, cancel_futures=True)

    def compute(self, indices: Sequence[int]) -> Features:
        """Exact features of key frames in one batch, all levels; their propagation terms are stored on the way."""
        self._exact.update(indices)
        images = torch.cat([self._load(t, t + 1) for t in indices])
        features = self._extract(images, torch.float32)
        self._keep(indices, features.to(self.dtype), direction=1, now=indices[0])
        return features

    def get(self, index: int, direction: int) -> FrameFeatures:
        """Features of a frame.

        Args:
            index: the frame.
            direction: +1 if the sweep goes forward (and a backward sweep follows), -1 if it goes backward.
        """
        if direction < 0:
            for passed in [t for t in self._frames if t > index]:
                self._drop(passed)
        if index not in self._frames:
            self._compute_batch(index, direction)
        return self._frames[index]

    def _batch(self, index: int) -> tuple[int, int]:
        start = index - index % self.batch_size
        return start, min(start + self.batch_size, len(self.source))

    def _compute_batch(self, index: int, direction: int) -> None:
        if index in self._exact:  # a key frame that the budget had no room for: as exact as the first time
            self.compute([index])
            return
        start, stop = self._batch(index)
        future = self._ahead.pop(start, None)
        images = self._load(start, stop) if future is None else future.result()
        self._ahead.clear()
        follow = stop if direction > 0 else start - 1
        if 0 <= follow < len(self.source) and follow not in self._frames:
            first, last = self._batch(follow)
            self._ahead[first] = self._reader.submit(self._load, first, last)
        features = self._extract(images)
        if direction > 0:  # frames of the batch that the sweep has passed are not needed
            self._keep(range(index, stop), features[index - start :], direction, index, self._exact)
        else:
            self._keep(range(start, index + 1), features[: index + 1 - start], direction, index, self._exact)

    def _load(self, start: int, stop: int) -> Tensor:
        return self.preprocess(self.source.read(start, stop))

    @torch.no_grad()
    def _extract(self, images: Tensor, dtype: torch.dtype | None = None) -> Features:
        images = images.to(self.device, dtype or self.dtype, non_blocking=True)
        images = images.contiguous(memory_format=torch.channels_last)
        self.computed += len(images)
        return self.model.extract(images) if dtype is None else self.model.extract_for_detection(images)

    @torch.no_grad()
    def _keep(
        self, indices: Sequence[int], features: Features, direction: int, now: int, skip: Collection[int] = ()
    ) -> None:
        """Store a batch but for some frames; the one asked for (``now``) comes last and stays, whatever the budget."""
        terms = self.model.encode_frame(features)
        for position in sorted(range(len(indices)), key=lambda i: -abs(indices[i] - now)):
            if indices[position] in skip or indices[position] in self._frames:
                continue
            one = slice(position, position + 1)
            # Copies: a view would hold the memory of the whole batch.
            levels = tuple(x[one].clone() for x in features.levels[:-1])
            own = FrameTerms(levels[0], *(x[one].clone() for x in terms.tensors()[1:]))
            self._put(indices[position], FrameFeatures(levels, own), direction, now)

    def _put(self, index: int, entry: FrameFeatures, direction: int, now: int) -> None:
        while self._frames and self._bytes + entry.nbytes > self.budget:
            self._drop(self._last_needed(direction, now))
        self._frames[index] = entry
        self._bytes += entry.nbytes

    def _last_needed(self, direction: int, now: int) -> int:
        """The stored frame whose next use is farthest away."""
        earliest, latest = min(self._frames), max(self._frames)
        if direction < 0:
            return earliest
        return earliest if earliest < now else latest

    def _drop(self, index: int) -> None:
        self._bytes -= self._frames.pop(index).nbytes
