"""The objects of a result on one frame, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import ConfigError
from mmdet_vis.structures.masks import RLE, areas, decode_masks, rle_boxes


@dataclass(repr=False)
class FrameObjects:
    """The N objects that are visible on one frame, best first.

    Attributes:
        index: 0-based number of the frame.
        name: of the frame, without ending.
        time: seconds since the first frame; None without a frame rate.
        height, width: of the frame in pixels.
        track_ids: ``[N]`` int64, the ``track_id`` of the sequences.
        labels: ``[N]`` int64, 0-based categories.
        categories: their N names.
        scores: ``[N]`` float64 of the sequences, in [0, 1].
        rles: N masks as RLEs, none of them empty.
    """

    index: int
    name: str
    time: float | None
    height: int
    width: int
    track_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    categories: list[str]
    scores: NDArray[np.float64]
    rles: list[RLE]

    def __len__(self) -> int:
        return len(self.rles)

    def __repr__(self) -> str:
        objects = zip(self.track_ids, self.categories, self.scores, strict=True)
        listed = [f"#{number} {category} {score:.2f}" for number, category, score in objects]
        return f"FrameObjects({self.index}, {self.name!r}: {', '.join(listed) or 'nothing'})"

    @property
    def masks(self) -> NDArray[np.bool_]:
        """``[N, H, W]`` bool; decoded each time that it is asked for."""
        if not self.rles:
            return np.zeros((0, self.height, self.width), np.bool_)
        return decode_masks(self.rles).view(np.bool_)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Tight boxes of the masks, ``[N, 4]`` float32: x0, y0, x1, y1 in pixels, ends exclusive."""
        return rle_boxes(self.rles).astype(np.float32)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of the masks, ``[N]``."""
        return areas(self.rles)

    def to_supervision(self) -> Any:
        """``supervision.Detections`` with boxes, masks, scores, 0-based class ids, track ids and ``class_name``.

        Raises:
            ConfigError: the package supervision is not installed.
        """
        try:
            import supervision
        except ImportError:
            raise ConfigError("to_supervision() needs the package supervision: pip install supervision") from None
        return supervision.Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores.astype(np.float32),
            class_id=self.labels,
            tracker_id=self.track_ids,
            data={"class_name": np.array(self.categories, dtype=str)},
        )
