"""What any detector has to give so that its objects can be carried through a video: the door for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """Where an image comes from.

    Attributes:
        video: name of the video.
        index: number of the frame in it, from 0.
        name: of the frame: its file's without ending, or its number.
    """

    video: str
    index: int
    name: str


@dataclass
class Proposals:
    """What a proposer finds in one image of ``H x W`` pixels: N objects of C categories.

    Attributes:
        boxes: ``[N, 4]`` float32 (x0, y0, x1, y1) in pixels, ends exclusive.
        scores: ``[N, C + 1]`` float32 in [0, 1], index 0 is background. A detector that says one category and its score
            has 0 for the others, see :meth:`of_labels`.
        masks: ``[N, H, W]`` uint8 or bool, non-zero is the object; None: there are boxes only, and the mask head of the
            model that carries the objects draws them.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    masks: NDArray[Any] | None = None

    @classmethod
    def of_labels(
        cls, boxes: ArrayLike, labels: ArrayLike, scores: ArrayLike, categories: int, masks: ArrayLike | None = None
    ) -> Proposals:
        """From the usual output of a detector.

        Args:
            boxes: ``[N, 4]`` (x0, y0, x1, y1) in pixels.
            labels: ``[N]`` whole numbers, 0-based category.
            scores: ``[N]`` in [0, 1], of that category.
            categories: C.
            masks: ``[N, H, W]``, or None.

        Raises:
            ValueError: the lengths differ, or there is no such category.
        """
        which, values = np.asarray(labels, np.int64).reshape(-1), np.asarray(scores, np.float32).reshape(-1)
        corners = np.asarray(boxes, np.float32).reshape(-1, 4)
        if not len(corners) == len(which) == len(values):
            raise ValueError(f"{len(corners)} boxes, {len(which)} labels and {len(values)} scores: give one of each")
        if len(which) and not 0 <= which.min() <= which.max() < categories:
            raise ValueError(f"labels from {which.min()} to {which.max()}: the {categories} categories begin at 0")
        rows = np.zeros((len(values), categories + 1), np.float32)
        rows[np.arange(len(values)), which + 1] = values
        rows[:, 0] = 1 - values
        return cls(corners, rows, None if masks is None else np.asarray(masks))

    @property
    def best(self) -> NDArray[np.float32]:
        """``[N]`` score of each object's best category."""
        return self.scores[:, 1:].max(axis=1, initial=0)


class Proposer(Protocol):
    """Finds objects in single images; see ``docs/proposers.md``. Any detector can be one.

    It may also have ``to(device)``, which is called once with the ``torch.device`` of the model that carries its
    objects; and ``classify``, see :class:`Classifier`.
    """

    @property
    def categories(self) -> tuple[str, ...]:
        """C names. Results have these."""
        ...

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """Find the objects of some frames of a video.

        Args:
            images: ``[K, H, W, 3]`` uint8, **RGB**.
            places: K: where they come from.

        Returns:
            K proposals. All count in the scores of sequences; those above the model's ``test_cfg.rcnn.score_thr``, at
            most ``max_per_img`` of an image, best first, are carried.
        """
        ...


class Classifier(Protocol):
    """A proposer that can also say what is in a given box, so that sequences can be scored on every frame."""

    def classify(self, images: Images, boxes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Class scores of boxes.

        Args:
            images: ``[K, H, W, 3]`` uint8, RGB.
            boxes: for each image ``[N, 4]`` (x0, y0, x1, y1) in pixels, ends exclusive; N may be 0.

        Returns:
            for each image ``[N, C + 1]`` float32, index 0 is background.
        """
        ...
