"""What AP50 would be if one type of error were mended, all others staying as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.precision import Scene, average_precision
from mmdet_vis.evaluation.analysis.video_table import VideoTable

REMOVED = (ErrorType.DUPLICATE, ErrorType.WRONG_CLASS_AND_MASK, ErrorType.BACKGROUND)
MENDED = (ErrorType.WRONG_CLASS, ErrorType.BROKEN_TRACK, ErrorType.POOR_MASK)
ERRORS: tuple[ErrorType | ObjectType, ...] = (
    ErrorType.DUPLICATE,
    ErrorType.WRONG_CLASS,
    ErrorType.BROKEN_TRACK,
    ErrorType.POOR_MASK,
    ErrorType.WRONG_CLASS_AND_MASK,
    ErrorType.BACKGROUND,
    ObjectType.MISSED,
)
"""All types that cost AP, in the order of the report."""


def gains(tables: Sequence[VideoTable]) -> dict[str, float]:
    """Gain in AP50, in [-1, 1], from mending each of :data:`ERRORS`; they do not add up. All 0 without objects."""
    base = average_precision(map(Scene.of, tables))["AP50"]
    mended = {error.value: average_precision(mend(table, error) for table in tables)["AP50"] for error in ERRORS}
    # -1: nothing is left to be found, as all objects were missed ones.
    return {key: value - base if base >= 0 and value >= 0 else 0.0 for key, value in mended.items()}


def mend(table: VideoTable, error: ErrorType | ObjectType) -> Scene:
    """The scene without one type of error.

    Duplicates, background and predictions wrong in class and mask vanish. The others get the right class or the masks
    of their object, but vanish if the object has a correct prediction (or a better mended one) already. Missed
    objects vanish.
    """
    scene = Scene.of(table)
    if error is ObjectType.MISSED:
        stays = np.array([kind is not ObjectType.MISSED for kind in table.classified.object_types], bool)
        return replace(
            scene,
            ious=scene.ious[:, stays],
            object_categories=scene.object_categories[stays],
            ignored=scene.ignored[stays],
        )
    if not isinstance(error, ErrorType):
        raise ValueError(f"{error} is no type of error")
    keep = np.ones(len(scene.scores), bool)
    categories, ious = scene.categories.copy(), scene.ious.copy()
    types, targets = table.classified.types, table.classified.targets.tolist()
    taken = {g for kind, g in zip(types, targets, strict=True) if kind is ErrorType.CORRECT}
    for d, (kind, g) in enumerate(zip(types, targets, strict=True)):
        if kind is not error:
            continue
        if error in REMOVED or g in taken:
            keep[d] = False
            continue
        taken.add(g)
        categories[d] = scene.object_categories[g]
        if error is not ErrorType.WRONG_CLASS:
            ious[d], ious[d, g] = 0.0, 1.0
    return replace(
        scene,
        scores=scene.scores[keep],
        categories=categories[keep],
        ious=ious[keep],
        excused=scene.excused[keep],
    )
