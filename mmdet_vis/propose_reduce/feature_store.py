"""Features of a video's frames: computed once while they fit into a byte budget, recomputed beyond it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.data.sources import FrameSource
from mmdet_vis.models.seq_mask_rcnn import Features, SeqMaskRCNN


@dataclass
class EngineSettings:
    """How the machine is used; no effect on the result beyond rounding.

    Attributes:
        device: where the network runs.
        dtype: in which precision features are stored and objects propagated.
        feature_bytes: budget of the feature store.
        chunk_bytes: bytes that one decoder feature map of a chunk of objects may take.
        batch_size: frames per backbone batch.
    """

    device: torch.device
    dtype: torch.dtype
    feature_bytes: int
    chunk_bytes: int
    batch_size: int


@dataclass
class FrameFeatures:
    """What the sweeps need of one frame.

    Attributes:
        levels: P2..P5, ``[1, C, h, w]`` each, for classifying boxes; none of a network without a neck.
        terms: for propagation: what the head's ``frame_terms`` gives; it may share ``levels[0]``.
    """

    levels: tuple[Tensor, ...]
    terms: Any

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        device: torch.device = self.terms.tensors()[0].device
        return device

    @property
    def padded(self) -> tuple[int, int]:
        """(height, width) of the network's input."""
        height, width = (self.levels[0] if self.levels else self.terms.skip2).shape[-2:]
        return 4 * height, 4 * width

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum({id(t): t.nbytes for t in (*self.levels, *self.terms.tensors())}.values())


Preprocess = Callable[[Sequence[NDArray[np.uint8]]], Tensor]
"""BGR uint8 frames to the network's input, ``[B, 3, H, W]`` float32."""

Batch = tuple[int, ...]
"""Indices of the frames that go through the network together."""


class FeatureStore:
    """Features by frame index, for sweeps that visit the frames in order.

    A frame is always computed in the same batch, so that one that has to be computed again gives the same numbers: key
    frames in the batch in which objects were detected on them, in float32; all others in batches of neighbours, on a
    grid of the video. The batch that comes next is read in a background thread, without PyTorch: a second thread that
    computes with it has threads of its own, and then all wait for each other asleep. When the budget is full, the frame
    that is needed last is dropped: in the forward sweep (a backward one follows) that is the earliest one passed.

    Args:
        model: the network.
        source: the video; read in one background thread only.
        preprocess: frames to network input.
        engine: where features are computed, the precision that they are stored in, the bytes of them that are kept, and
            the frames per batch; one batch is held whatever the budget, or its frames would be computed one by one.
        keep: features stay after the last sweep, for more work on the video.

    Attributes:
        computed: frames that went through the backbone so far, those computed again included.
    """

    def __init__(
        self,
        model: SeqMaskRCNN,
        source: FrameSource,
        preprocess: Preprocess,
        engine: EngineSettings,
        keep: bool = False,
    ) -> None:
        self.model = model
        self.source = source
        self.preprocess = preprocess
        self.device, self.dtype = engine.device, engine.dtype
        self.budget, self.batch_size = engine.feature_bytes, max(1, engine.batch_size)
        self.keep = keep
        self.computed = 0
        self._keys: set[int] = set()
        self._batches: dict[int, Batch] = {}
        self._frames: dict[int, FrameFeatures] = {}
        self._bytes = 0
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="frame-reader")
        self._ahead: dict[Batch, Future[Tensor]] = {}

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
        batch = tuple(indices)
        self._keys.update(batch)
        self._batches.update(dict.fromkeys(batch, batch))
        features = self._extract(self._read(batch), exact=True)
        self._keep(batch, features.to(self.dtype), batch, direction=1, now=batch[0])
        return features

    def get(self, index: int, direction: int) -> FrameFeatures:
        """Features of a frame; ``direction``: +1 in a forward sweep (a backward one follows), -1 in a backward one."""
        if direction < 0 and not self.keep:
            for passed in [t for t in self._frames if t > index]:
                self._drop(passed)
        if index not in self._frames:
            self._compute_batch(index, direction)
        return self._frames[index]

    def bound_growth(self, room: int | None) -> None:
        """Keep at most ``room`` more bytes than now, however large the budget; None changes nothing."""
        if room is not None:
            self.budget = min(self.budget, self._bytes + room)

    def _batch(self, index: int) -> Batch:
        """The frames that this frame is computed with."""
        if index not in self._batches:
            start = index - index % self.batch_size
            grid = range(start, min(start + self.batch_size, len(self.source)))
            batch = tuple(t for t in grid if t not in self._batches)
            self._batches.update(dict.fromkeys(batch, batch))
        return self._batches[index]

    def _compute_batch(self, index: int, direction: int) -> None:
        batch = self._batch(index)
        images = self._read(batch)
        features = self._extract(images, exact=index in self._keys).to(self.dtype)
        if index in self._keys:  # one that there was no room for; the others of its batch are far away
            wanted = [index]
        else:  # frames of the batch that the sweep has passed are not needed
            wanted = [t for t in batch if (t - index) * direction >= 0 and t not in self._keys]
        self._keep(batch, features, wanted, direction, index)
        self._read_ahead(index, direction)

    def _read(self, batch: Batch) -> Tensor:
        future = self._ahead.pop(batch, None) or self._reader.submit(self._load, batch)
        for other in self._ahead.values():
            other.cancel()
        self._ahead.clear()
        return future.result()

    def _read_ahead(self, index: int, direction: int) -> None:
        """Start to read the batch of the next frame that the sweep will miss."""
        following = range(index + direction, len(self.source) if direction > 0 else -1, direction)
        missing = next((t for t in following if t not in self._frames), None)
        if missing is not None:
            batch = self._batch(missing)
            self._ahead[batch] = self._reader.submit(self._load, batch)

    def _load(self, batch: Batch) -> Tensor:
        """Read and preprocess frames, in the reader thread."""
        if batch == tuple(range(batch[0], batch[-1] + 1)):
            frames = self.source.read(batch[0], batch[-1] + 1)
        else:
            frames = [frame for t in batch for frame in self.source.read(t, t + 1)]
        images = self.preprocess(frames)
        # Only from pinned memory does a copy to the device not hold up the host.
        return images.pin_memory() if self.device.type == "cuda" else images

    @torch.no_grad()
    def _extract(self, images: Tensor, exact: bool) -> Features:
        images = images.to(self.device, non_blocking=True)
        images = images.contiguous(memory_format=torch.channels_last)
        self.computed += len(images)
        return self.model.extract_for_detection(images) if exact else self.model.extract(images)

    @torch.no_grad()
    def _keep(self, batch: Batch, features: Features, wanted: Sequence[int], direction: int, now: int) -> None:
        """Store some frames of a batch; the one asked for (``now``) comes last and stays, whatever the budget."""
        terms = self.model.encode_frame(features)
        for index in sorted(wanted, key=lambda t: -abs(t - now)):
            if index in self._frames:
                continue
            position = batch.index(index)
            one = slice(position, position + 1)
            # Copies: a view would hold the memory of the whole batch.
            levels = tuple(x[one].clone() for x in features.levels[:-1])
            self._put(index, FrameFeatures(levels, terms.own(one, levels[0] if levels else None)), direction, now)

    def _put(self, index: int, entry: FrameFeatures, direction: int, now: int) -> None:
        room = max(self.budget, self.batch_size * entry.nbytes)
        while self._frames and self._bytes + entry.nbytes > room:
            self._drop(self._last_needed(direction, now))
        self._frames[index] = entry
        self._bytes += entry.nbytes

    def _last_needed(self, direction: int, now: int) -> int:
        """The stored frame whose next use is farthest away."""
        earliest, latest = min(self._frames), max(self._frames)
        if direction < 0:
            return latest if latest > now else earliest
        return earliest if earliest < now else latest

    def _drop(self, index: int) -> None:
        self._bytes -= self._frames.pop(index).nbytes
