"""YouTube-VIS metrics pair by pair and mask by mask, as the protocol describes them: the yardstick of the fast ones.

It does what the official evaluator does: it measures each mask on its own, and merges the RLEs of each pair of
prediction and object in each frame, once for the intersection and once for the union. Input is not checked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RANGES = {"": (0, 1e10), "s": (0, 128**2), "m": (128**2, 256**2), "l": (256**2, 1e10)}

# By video and category: entries with their average area in pixels.
Grouped = dict[tuple[int, int], list[tuple[dict[str, Any], float]]]


def straightforward(results: list[dict[str, Any]], dataset: dict[str, Any]) -> dict[str, float]:
    """The twelve metrics as the protocol describes them, pair by pair and mask by mask."""
    objects: Grouped = defaultdict(list)
    predictions: Grouped = defaultdict(list)
    for source, grouped in ((dataset["annotations"], objects), (results, predictions)):
        for entry in source:
            areas = [int(coco_mask.area(mask)) for mask in entry["segmentations"] if mask]
            visible = [area for area in areas if area]
            size = float(np.mean(visible)) if visible else 0.0
            grouped[entry["video_id"], entry["category_id"]].append((entry, size))
    ious = {}
    for key in objects.keys() & predictions.keys():
        predictions[key].sort(key=lambda item: -item[0]["score"])
        ious[key] = np.array([[pair_iou(p, o) for o, _ in objects[key]] for p, _ in predictions[key][:100]])
    values: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for category in [c["id"] for c in dataset["categories"]]:
        keys = [(v["id"], category) for v in dataset["videos"]]
        for letter, (low, high) in RANGES.items():
            outcomes = [one_video(objects[k], predictions[k][:100], ious.get(k), low, high) for k in keys]
            total = sum(number for _, number in outcomes)
            if total == 0:
                continue
            for limit in (1, 10, 100):
                rows = sorted((row for video, _ in outcomes for row in video[:limit]), key=lambda row: -row[0])
                precision, recall = curves(rows, total)
                if limit == 100:
                    values["AP" + letter].append(precision)
                if not letter or limit == 100:
                    values["AR" + (letter or str(limit))].append(recall)
    values["AP50"] = [precision[0] for precision in values["AP"]]
    values["AP75"] = [precision[5] for precision in values["AP"]]
    return {key: float(np.mean(value)) for key, value in values.items() if value}


def pair_iou(prediction: dict[str, Any], truth: dict[str, Any]) -> float:
    """Sequence IoU by merging the RLEs of each frame."""
    intersection = union = 0
    for a, b in zip(prediction["segmentations"], truth["segmentations"], strict=True):
        if a and b:
            intersection += int(coco_mask.area(coco_mask.merge([a, b], True)))
            union += int(coco_mask.area(coco_mask.merge([a, b], False)))
        elif a or b:
            union += int(coco_mask.area(a or b))
    return intersection / union if union else 0.0


def one_video(
    objects: list[Any], predictions: list[Any], ious: NDArray[np.float64] | None, low: float, high: float
) -> tuple[list[tuple[float, list[bool], list[bool]]], int]:
    """(score, right and wrong by threshold) of each prediction of a video and category; objects that count."""
    ignored = [bool(truth["iscrowd"]) or not low <= size <= high for truth, size in objects]
    rows = []
    taken: set[tuple[int, int]] = set()
    for d, (prediction, size) in enumerate(predictions):
        right, wrong = [], []
        for t, threshold in enumerate(THRESHOLDS):
            best, best_key = -1, (False, 0.0)
            for g, (truth, _) in enumerate(objects):
                free = (t, g) not in taken or truth["iscrowd"]
                key = (not ignored[g], float(ious[d, g]) if ious is not None else 0.0)
                if free and key[1] >= min(threshold, 1 - 1e-10) and (best < 0 or key >= best_key):
                    best, best_key = g, key
            taken.add((t, best))
            right.append(best >= 0 and not ignored[best])
            wrong.append(best < 0 and low <= size <= high)
        rows.append((prediction["score"], right, wrong))
    return rows, ignored.count(False)


def curves(
    rows: list[tuple[float, list[bool], list[bool]]], total: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interpolated precision ``[T, 101]`` and final recall ``[T]``."""
    precision, final = np.zeros((len(THRESHOLDS), 101)), np.zeros(len(THRESHOLDS))
    for t in range(len(THRESHOLDS) if rows else 0):
        right = np.cumsum([row[1][t] for row in rows])
        wrong = np.cumsum([row[2][t] for row in rows])
        recall, exact = right / total, right / np.maximum(right + wrong, 1e-300)
        final[t] = recall[-1]
        exact = np.append(np.maximum.accumulate(exact[::-1])[::-1], 0.0)
        precision[t] = exact[np.searchsorted(recall, np.linspace(0, 1, 101))]
    return precision, final
