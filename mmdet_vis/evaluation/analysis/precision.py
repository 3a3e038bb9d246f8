"""AP from IoUs that are known, by the evaluator's own matching: for results as they are, mended, or in part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.analysis.attributes import LENGTH, PROPERTIES, SIZE, Bins
from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.video_table import VideoTable
from mmdet_vis.evaluation.ytvis.matching import Matches, match
from mmdet_vis.evaluation.ytvis.metrics import MAX_DETECTIONS, YtvisMetrics


@dataclass(frozen=True)
class Scene:
    """What the matching sees of one video: D predictions, best scores first, and G objects.

    Attributes:
        scores, categories: ``[D]``.
        ious: ``[D, G]``.
        object_categories: ``[G]``.
        ignored: ``[G]`` bool, predictions on the object are neither right nor wrong (a crowd).
        excused: ``[D]`` bool, the prediction is not wrong if it takes nothing.
    """

    scores: NDArray[np.float64]
    categories: NDArray[np.int64]
    ious: NDArray[np.float64]
    object_categories: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    excused: NDArray[np.bool_]

    @classmethod
    def of(cls, table: VideoTable) -> Scene:
        """The scene that the evaluator sees."""
        excused = np.zeros(len(table.scores), bool)
        return cls(table.scores, table.categories, table.ious, table.object_categories, table.crowd, excused)


def average_precision(scenes: Iterable[Scene]) -> dict[str, float]:
    """``AP`` and ``AP50`` in [0, 1], means over the categories that have objects; -1 if none has.

    Args:
        scenes: in the order of the video ids, which decides between equal scores.
    """
    matches: defaultdict[int, dict[int, Matches]] = defaultdict(dict)
    for video, scene in enumerate(scenes):
        for category in np.union1d(scene.categories, scene.object_categories).tolist():
            matches[category][video] = _match(scene, category)
    if not matches:
        return {"AP": -1.0, "AP50": -1.0}
    summary = YtvisMetrics.of(dict(sorted(matches.items())), {}, {}, {}).summary()
    return {"AP": summary["AP"], "AP50": summary["AP50"]}


def _match(scene: Scene, category: int) -> Matches:
    """Match one category; what concerns the size ranges of the evaluator is not used."""
    rows = np.flatnonzero(scene.categories == category)[: MAX_DETECTIONS[-1]]
    columns = np.flatnonzero(scene.object_categories == category)
    ious = scene.ious[np.ix_(rows, columns)]
    found = match(
        scores=scene.scores[rows],
        areas=np.zeros(len(rows)),
        object_areas=np.zeros(len(columns)),
        crowd=scene.ignored[columns],
        compute_ious=lambda batch, _floors: ious[batch],
    )
    return replace(found, ignored=found.ignored | (~found.matched & scene.excused[rows]))


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
    return {key: [_bin_ap(tables, bins, n) for n in range(len(bins.names))] for key, bins in PROPERTIES.items()}


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


REMOVED = (ErrorType.DUPLICATE, ErrorType.WRONG_CLASS_AND_MASK, ErrorType.BACKGROUND)
ERRORS: tuple[ErrorType | ObjectType, ...] = (
    *(kind for kind in ErrorType if kind not in (ErrorType.CORRECT, ErrorType.IGNORED)),
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
        scene, scores=scene.scores[keep], categories=categories[keep], ious=ious[keep], excused=scene.excused[keep]
    )
