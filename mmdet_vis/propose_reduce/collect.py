"""Where propagated masks go: to the score of their sequence, and out of the device as run-length codes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, rois_of
from mmdet_vis.propose_reduce.feature_store import FrameFeatures
from mmdet_vis.structures.boxes import mask_boxes
from mmdet_vis.structures.masks import RLE, encode_masks

FOREGROUND_THR = 0.5
"""A pixel belongs to an object if its soft mask is at least this."""

MAX_PENDING = 4
"""Frames whose masks wait for the host at most."""


class SequenceCollector:
    """Scores and masks of all sequences of a video, filled frame by frame in any order.

    The score of a sequence is the mean, over the frames in which it is visible, of the class probabilities of its
    mask's box (paper section 3.3, equation 1). Masks are binarised on the device and encoded in another thread, so the
    sweeps never wait for the host. Without a model nobody classifies, and all scores are 0.
    """

    def __init__(self, model: SeqMaskRCNN | None, num_frames: int) -> None:
        self.model = model
        self.num_frames = num_frames
        self.num_classes = num_classes = 2 if model is None else model.bbox_head.num_classes  # with background
        self.rles: list[list[RLE | None]] = []
        self._sums = torch.zeros((0, num_classes))
        self._visible = torch.zeros(0)
        self._check = torch.zeros(())
        self._notes: list[tuple[int, list[int], Tensor, Tensor]] = []
        self._pending: deque[Future[None]] = deque()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="mask-encoder")

    def __enter__(self) -> SequenceCollector:
        return self

    def __exit__(self, *_: object) -> None:
        self._encoder.shutdown(wait=True, cancel_futures=True)

    def add_sequences(self, number: int, device: torch.device) -> list[int]:
        """Make room for a group of sequences; returns their indices."""
        first = len(self.rles)
        self.rles += [[None] * self.num_frames for _ in range(number)]
        self._sums = torch.cat((self._sums.to(device), torch.zeros((number, self.num_classes), device=device)))
        self._visible = torch.cat((self._visible.to(device), torch.zeros(number, device=device)))
        self._check = self._check.to(device)
        return list(range(first, first + number))

    def add_frame(self, frame: int, sequences: list[int], soft: Tensor, features: FrameFeatures) -> None:
        """Take the soft masks ``[N, H, W]`` of N sequences at one frame."""
        binary = soft >= FOREGROUND_THR
        boxes, visible = mask_boxes(binary)
        # Column-major, as run-length codes are: transposed here, where it is cheap.
        packed = binary.transpose(1, 2).to(torch.uint8).contiguous()
        self.check(soft)
        # Every other pixel of each row and column tells it as well, at a quarter of the time.
        sharp = sharpness(soft[:, ::2, ::2], binary[:, ::2, ::2])
        self.add_masks(frame, sequences, packed, boxes, visible, features, sharp)

    def check(self, soft: Tensor) -> None:
        """Note soft masks that are not numbers, which would pass as invisible ones."""
        self._check += soft.sum()

    def add_masks(
        self, frame: int, sequences: list[int], packed: Tensor, boxes: Tensor, visible: Tensor,
        features: FrameFeatures, sharp: Tensor,
    ) -> None:  # fmt: skip
        """Take the thresholded masks of N sequences at one frame.

        Args:
            frame, sequences, boxes, visible, features, sharp: see :meth:`add_boxes`.
            packed: ``[N, W, H]`` uint8, 0 or 1: column-major, as run-length codes are.
        """
        self.add_boxes(frame, sequences, boxes, visible, features, sharp)
        while len(self._pending) >= MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._encoder.submit(self._encode, frame, list(sequences), packed))

    def add_boxes(
        self, frame: int, sequences: list[int], boxes: Tensor, visible: Tensor, features: FrameFeatures,
        sharp: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Score N sequences at one frame by the boxes of their masks.

        Args:
            frame: index of the frame.
            sequences: N indices.
            boxes, visible: from :func:`~mmdet_vis.structures.boxes.mask_boxes`.
            features: of the frame.
            sharp: ``[N]`` of the masks, see :func:`sharpness`; None where they never were soft: 1.
        """
        if self.model is None:
            probabilities = boxes.new_zeros((len(boxes), self.num_classes))
        else:
            probabilities = self.model.classify(features.levels, rois_of(boxes, 0))
        for rows, indices in consecutive(sequences):
            self._sums[indices] += probabilities[rows] * visible[rows, None]
            self._visible[indices] += visible[rows]
        sharp = torch.ones(len(probabilities)) if sharp is None else sharp
        # In half precision: these are for the eye, and there may be millions.
        self._notes.append((frame, list(sequences), probabilities.half(), sharp.half()))

    def _encode(self, frame: int, sequences: list[int], packed: Tensor) -> None:
        masks = packed.cpu().numpy().transpose(0, 2, 1)
        for index, rle in zip(sequences, encode_masks(masks), strict=True):
            self.rles[index][frame] = rle

    def wait(self) -> None:
        """Wait until all masks handed in so far are in :attr:`rles`."""
        while self._pending:
            self._pending.popleft().result()

    def evidence(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the masks of each frame say of themselves.

        Args:
            labels: ``[N]`` 0-based category of each sequence.

        Returns:
            probabilities of that category for the mask's box ``[N, T]`` (1 if nobody classifies), of no meaning where
            nothing is visible, and
            :func:`sharpness` ``[N, T]``; float32 in [0, 1].
        """
        classes = np.zeros((len(self.rles), self.num_frames), np.float32)
        sharp = np.zeros_like(classes)
        for frame, sequences, probabilities, values in self._notes:
            found = probabilities.cpu().numpy()
            classes[sequences, frame] = (
                1 if self.model is None else found[np.arange(len(sequences)), labels[sequences] + 1]
            )
            sharp[sequences, frame] = values.cpu().numpy()
        return classes, sharp

    def finish(self) -> tuple[list[list[RLE]], NDArray[np.float32]]:
        """Wait for the last masks.

        Returns:
            N sequences of T RLEs at the padded size, and their :meth:`scores`.

        Raises:
            FloatingPointError: a mask or a score is not a finite number.
        """
        self.wait()
        sequences = [[rle for rle in masks if rle is not None] for masks in self.rles]
        if any(len(masks) != self.num_frames for masks in sequences):
            raise RuntimeError("a sequence lacks the mask of a frame: the sweeps did not cover the video")
        return sequences, self.scores()

    def scores(self) -> NDArray[np.float32]:
        """Class scores ``[N, C + 1]`` float32 of what was added; a sequence that is never visible is background.

        Raises:
            FloatingPointError: a mask or a score is not a finite number.
        """
        sums, visible = self._sums.cpu().numpy(), self._visible.cpu().numpy()
        if not (np.isfinite(sums).all() and torch.isfinite(self._check)):
            raise FloatingPointError("masks or scores are not finite")
        scores = sums / np.maximum(visible, 1)[:, None]
        scores[visible == 0] = 0
        scores[visible == 0, 0] = 1
        return scores.astype(np.float32)


def sharpness(soft: Tensor, binary: Tensor) -> Tensor:
    """How sure soft masks are of their pixels: the IoU of the thresholded mask if its soft values are probabilities.

    That is the sum of the smaller over the sum of the larger of both values of each pixel; of a mask that is empty, the
    probability that none of its pixels is the object's, by the likeliest of them.

    Args:
        soft: ``[N, H, W]`` in [0, 1].
        binary: ``[N, H, W]`` bool, thresholded.

    Returns:
        ``[N]`` float32 in [0, 1].
    """
    total, area = soft.sum(dim=(1, 2)), binary.sum(dim=(1, 2))
    inside = (soft * binary).sum(dim=(1, 2))
    return torch.where(area > 0, inside / (area + total - inside).clamp(min=1e-6), 1 - soft.amax(dim=(1, 2)))


def consecutive(indices: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Runs of consecutive indices: the places of each run in the list, and the indices, both as slices."""
    start = 0
    for end in range(1, len(indices) + 1):
        if end == len(indices) or indices[end] != indices[end - 1] + 1:
            yield slice(start, end), slice(indices[start], indices[end - 1] + 1)
            start = end


def enlarged(soft: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """Thresholded masks at four times the size: ``[N, w, h]`` in [0, 1] to ``[N, 4 * w, 4 * h]`` uint8, 0 or 1."""
    number, width, height = soft.shape
    out = np.zeros((number, 4 * width, 4 * height), bool)
    for small, large in zip(soft, out, strict=True):
        top, left, rows, columns = cv2.boundingRect((small >= threshold).astype(np.uint8))
        if rows:
            # What is interpolated beyond the next position is lower.
            x, y = slice(max(left - 2, 0), left + columns + 2), slice(max(top - 2, 0), top + rows + 2)
            part = small[x, y]
            grown = cv2.resize(part, (4 * part.shape[1], 4 * part.shape[0]), interpolation=cv2.INTER_LINEAR)
            x4, y4 = (slice(4 * s.start, min(4 * s.stop, 4 * most)) for s, most in ((x, width), (y, height)))
            np.greater_equal(grown, threshold, out=large[x4, y4])
    return out.view(np.uint8)


def packed_boxes(
    packed: Sequence[NDArray[np.uint8]], canvas: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """:func:`~mmdet_vis.structures.boxes.mask_boxes` of N masks ``[w, h]``, on a canvas of at least their size.

    The masks are in the order of run-length codes, and so is the canvas: (width, height).
    """
    boxes = np.zeros((len(packed), 4), np.float32)
    visible = np.zeros(len(packed), bool)
    for index, mask in enumerate(packed):
        y, x, rows, columns = cv2.boundingRect(mask)
        if rows:
            visible[index] = True
            boxes[index] = (max(x - 1, 0), max(y - 1, 0), min(x + columns, canvas[0] - 1), min(y + rows, canvas[1] - 1))
    return boxes, visible
