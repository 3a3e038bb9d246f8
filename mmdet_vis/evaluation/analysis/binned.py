"""AP of objects of a certain length, size or occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.analysis.attributes import LENGTH, OCCLUSION, SIZE, Bins
from mmdet_vis.evaluation.analysis.precision import Scene, average_precision
from mmdet_vis.evaluation.analysis.video_table import VideoTable

_EVERY = -1  # the bin of a prediction that counts in all bins


@dataclass(frozen=True)
class BinAP:
    """AP and AP50 in [0, 1] of the objects of one bin; -1 if the bin has no objects."""

    name: str
    objects: int
    ap: float
    ap50: float


def binned_ap(tables: Sequence[VideoTable]) -> dict[str, list[BinAP]]:
    """AP by ``length``, ``size`` and ``occlusion``.

    In each bin the objects of the others are ignored (predictions on them are neither right nor wrong). A prediction
    that takes nothing is wrong in the bin of its own length or size, for occlusion in that of the object that it
    overlaps most, and in all bins if it has no such value.
    """
    return {
        "length": [_bin_ap(tables, LENGTH, n) for n in range(len(LENGTH.names))],
        "size": [_bin_ap(tables, SIZE, n) for n in range(len(SIZE.names))],
        "occlusion": [_bin_ap(tables, OCCLUSION, n) for n in range(len(OCCLUSION.names))],
    }


def _bin_ap(tables: Sequence[VideoTable], bins: Bins, number: int) -> BinAP:
    scenes, objects = [], 0
    for table in tables:
        own, theirs = _places(table, bins)
        inside = (theirs == number) & ~table.crowd
        objects += int(np.count_nonzero(inside))
        scenes.append(replace(Scene.of(table), ignored=~inside, excused=(own != number) & (own != _EVERY)))
    if not objects:
        return BinAP(bins.names[number], 0, -1.0, -1.0)
    values = average_precision(scenes)
    return BinAP(bins.names[number], objects, values["AP"], values["AP50"])


def _places(table: VideoTable, bins: Bins) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bins of the predictions ``[D]`` and of the objects ``[G]``; an object that is never visible is in none (-1)."""
    if bins is LENGTH:
        own, theirs = bins.place(table.lengths.astype(float)), bins.place(table.object_lengths.astype(float))
    elif bins is SIZE:
        own, theirs = bins.place(table.areas), bins.place(table.object_areas)
    else:
        theirs = bins.place(np.nan_to_num(table.occlusion))
        own = np.full(len(table.scores), _EVERY)
        if len(theirs):
            best = table.ious.argmax(axis=1)
            own = np.where(table.ious.max(axis=1) > 0, theirs[best], _EVERY)
    return own, np.where(table.object_lengths > 0, theirs, -1)
