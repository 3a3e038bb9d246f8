"""One type for each prediction and each annotated object, in the spirit of TIDE (Bolya et al., ECCV 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.analysis.following import Following

FOREGROUND_IOU = 0.5
"""Sequence IoU from which a prediction is on an object, as for AP50."""
BACKGROUND_IOU = 0.1
"""Sequence IoU below which a prediction has nothing to do with an object."""


class ErrorType(str, Enum):
    """What a prediction is; the first that applies, in this order. ``docs/analysis.md`` has the definitions."""

    CORRECT = "correct"
    IGNORED = "ignored"
    DUPLICATE = "duplicate"
    WRONG_CLASS = "wrong class"
    BROKEN_TRACK = "broken track"
    POOR_MASK = "poor mask"
    WRONG_CLASS_AND_MASK = "wrong class and mask"
    BACKGROUND = "background"


class ObjectType(str, Enum):
    """What became of an annotated object; the first that applies, in this order."""

    FOUND = "found"
    WRONG_CLASS = "wrong class"
    BROKEN_TRACK = "broken track"
    POOR_MASK = "poor mask"
    MISSED = "missed"


@dataclass(frozen=True)
class Classified:
    """Types of D predictions and G objects of one video.

    Attributes:
        types: D types.
        targets: ``[D]`` int64, the object that the type refers to, or -1.
        swaps: ``[D]`` bool, a broken track that goes over to another object.
        object_types: G types, ``None`` for a crowd.
    """

    types: list[ErrorType]
    targets: NDArray[np.int64]
    swaps: NDArray[np.bool_]
    object_types: list[ObjectType | None]


def assign(
    ious: NDArray[np.float64],
    categories: NDArray[np.int64],
    object_categories: NDArray[np.int64],
    crowd: NDArray[np.bool_],
) -> tuple[list[ErrorType | None], NDArray[np.int64]]:
    """The types that sequence IoUs alone decide: correct, ignored, duplicate and wrong class.

    Args:
        ious: ``[D, G]`` sequence IoU of each prediction, best scores first, with each object.
        categories, object_categories: ``[D]`` and ``[G]`` category ids.
        crowd: ``[G]`` bool.

    Returns:
        D types (``None``: not decided) and the objects they refer to, ``[D]`` int64 (-1: none).
    """
    types: list[ErrorType | None] = [None] * len(ious)
    targets = np.full(len(ious), -1, np.int64)
    taken = np.zeros(len(crowd), bool)
    for d, row in enumerate(ious):
        on = row >= FOREGROUND_IOU
        same = on & (object_categories == categories[d])
        for kind, which in (
            (ErrorType.CORRECT, same & ~crowd & ~taken),
            (ErrorType.IGNORED, same & crowd),
            (ErrorType.DUPLICATE, same & ~crowd),
            (ErrorType.WRONG_CLASS, on & ~same & ~crowd),
        ):
            if which.any():
                # Of equals the last one in the file, as the evaluator chooses.
                targets[d] = np.flatnonzero(which & (row == row[which].max()))[-1]
                types[d] = kind
                break
        if types[d] is ErrorType.CORRECT:
            taken[targets[d]] = True
    return types, targets


def classify(
    types: list[ErrorType | None],
    targets: NDArray[np.int64],
    ious: NDArray[np.float64],
    categories: NDArray[np.int64],
    object_categories: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    following: dict[int, Following],
) -> Classified:
    """Complete the types and targets that :func:`assign` found, given what it had.

    ``following`` holds, for each prediction that is not decided, how it follows the objects.
    """
    decided, targets, swaps = list(types), targets.copy(), np.zeros(len(types), bool)
    for d, follows in following.items():
        same = object_categories == categories[d]
        tracked, near = follows.tracked & ~crowd, (ious[d] >= BACKGROUND_IOU) & ~crowd
        for kind, which, worth in (
            (ErrorType.BROKEN_TRACK, tracked & same, follows.frames),
            (ErrorType.POOR_MASK, near & same, ious[d]),
            (ErrorType.WRONG_CLASS_AND_MASK, (near | tracked) & ~same, np.maximum(ious[d], follows.iou)),
        ):
            if which.any():
                decided[d] = kind
                targets[d] = int(np.argmax(np.where(which, worth, -1)))
                swaps[d] = kind is ErrorType.BROKEN_TRACK and int(np.count_nonzero(tracked)) > 1
                break
        else:
            decided[d] = ErrorType.BACKGROUND
    final = [kind for kind in decided if kind is not None]
    if len(final) != len(decided):
        raise ValueError("following must hold every prediction that is not decided")
    return Classified(final, targets, swaps, _object_types(final, targets, crowd))


def _object_types(
    types: list[ErrorType], targets: NDArray[np.int64], crowd: NDArray[np.bool_]
) -> list[ObjectType | None]:
    """The best that any prediction made of each object; ``None`` for a crowd."""
    alike = (ErrorType.WRONG_CLASS, ErrorType.BROKEN_TRACK, ErrorType.POOR_MASK)
    outcome = {ErrorType.CORRECT: ObjectType.FOUND} | {kind: ObjectType(kind.value) for kind in alike}
    order = list(ObjectType)
    best = [ObjectType.MISSED] * len(crowd)
    for kind, g in zip(types, targets.tolist(), strict=True):
        if kind in outcome:
            best[g] = min(best[g], outcome[kind], key=order.index)
    return [None if is_crowd else kind for kind, is_crowd in zip(best, crowd.tolist(), strict=True)]
