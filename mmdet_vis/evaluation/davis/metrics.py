"""The figures of a DAVIS evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.tables import format_table

RECALL_THRESHOLD = 0.5
_DECAY_BINS = 4


@dataclass(frozen=True)
class ObjectMetrics:
    """J and F of an annotated object.

    Attributes:
        sequence: name of the video.
        object_id: pixel value of the object in the annotations.
        proposal_id: pixel value of the result matched to it; 0 if there were too few results.
        j, f: ``[T]`` float64 in [0, 1], per frame.
    """

    sequence: str
    object_id: int
    proposal_id: int
    j: NDArray[np.float64]
    f: NDArray[np.float64]

    def summary(self) -> dict[str, float]:
        """The seven metrics of this object."""
        j, f = statistics(self.j), statistics(self.f)
        return dict(zip(KEYS, ((j[0] + f[0]) / 2, *j, *f), strict=True))


KEYS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")


def statistics(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, recall (share of the frames above 0.5) and decay (first quarter minus last) of values by frame ``[T]``."""
    # The bins share their outer frames, and bounds round half up: the protocol's rule, not a slip.
    bounds = np.round(np.linspace(1, len(values), _DECAY_BINS + 1) + 1e-10).astype(np.int64) - 1
    first, last = values[: bounds[1] + 1], values[bounds[-2] :]
    return float(values.mean()), float((values > RECALL_THRESHOLD).mean()), float(first.mean() - last.mean())


@dataclass(frozen=True)
class DavisMetrics:
    """J and F of all annotated objects of a set."""

    objects: list[ObjectMetrics]

    def summary(self) -> dict[str, float]:
        """The seven metrics, means over the objects (not over the videos); NaN if there are none."""
        rows = [item.summary() for item in self.objects]
        return {key: float(np.mean([row[key] for row in rows])) if rows else float("nan") for key in KEYS}

    def per_object(self) -> list[dict[str, Any]]:
        """Video, object, matched proposal and the seven metrics of each object."""
        return [
            {"sequence": o.sequence, "object": o.object_id, "proposal": o.proposal_id, **o.summary()}
            for o in self.objects
        ]

    def table(self, per_object: bool = False) -> str:
        """Text for the terminal, in percent."""
        text = format_table(["metric", "value"], [[key, value] for key, value in self.summary().items()])
        if not per_object:
            return text
        header = ["video", "object", "proposal", *KEYS]
        rows = [list(row.values()) for row in self.per_object()]
        return text + "\n\n" + format_table(header, rows)
