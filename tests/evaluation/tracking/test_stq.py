"""STQ against the paper's examples, and against pixels counted one by one on random label maps."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from mmdet_vis.evaluation.tracking import evaluate_tracking
from mmdet_vis.evaluation.tracking.stq import StqCounts, stq_counts
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.masks import RLE

SIZE = (12, 18)


def row(labels: list[list[int]]) -> dict[int, list[RLE | None]]:
    """Sequences of frames of one row of pixels, by their number; 0 is none."""
    maps = np.array(labels, np.int64)[:, None]
    return {int(n): list(encode_masks((maps == n).astype(np.uint8))) for n in np.unique(maps) if n}


@pytest.mark.parametrize(
    ("found", "aq", "sq"),
    [
        ([1, 1, 1, 1, 1], 1.0, 1.0),
        ([1, 1, 2, 2, 2], 0.52, 1.0),
        ([1, 2, 2, 2, 2], 0.68, 1.0),
        ([1, 2, 3, 4, 5], 0.2, 1.0),
        ([1, 2, 1, 2, 2], 0.52, 1.0),
        ([0, 1, 1, 1, 1], 0.64, 0.8),
    ],
)
def test_examples_of_the_paper(found: list[int], aq: float, sq: float) -> None:
    """One object of five pixels, here one a frame; the figures of AQ are those of the paper's supplement."""
    truth, tracks = row([[1]] * 5), row([[n] for n in found])
    summary = stq_counts(list(truth.values()), list(tracks.values()), [0], [0] * len(tracks), 1).summary()
    assert summary == pytest.approx({"AQ": aq, "SQ": sq, "STQ": math.sqrt(aq * sq)}, abs=1e-9)


def test_a_crowd_counts_in_neither_part() -> None:
    truth, crowd, tracks = row([[0, 1, 1, 1, 1, 1]]), row([[1, 0, 0, 0, 0, 0]]), row([[2, 2, 2, 2, 1, 1]])
    arguments = (list(truth.values()), list(tracks.values()), [0], [0, 0], 1)
    assert stq_counts(*arguments, list(crowd.values())).summary()["AQ"] == pytest.approx(0.52)
    assert stq_counts(*arguments, list(crowd.values())).summary()["SQ"] == 1
    assert stq_counts(*arguments).summary()["SQ"] == pytest.approx(5 / 6)
    # What is an object is one, though a crowd lies over it.
    assert stq_counts(*arguments, list(truth.values())).summary() == stq_counts(*arguments).summary()


def test_nothing_to_find_and_nothing_found() -> None:
    one = list(row([[1, 1]]).values())
    assert stq_counts([], [], [], [], 2).summary() == {"STQ": 0, "AQ": 0, "SQ": 0}
    assert stq_counts(one, [], [0], [], 2).summary() == {"STQ": 0, "AQ": 0, "SQ": 0}
    assert stq_counts([], one, [], [1], 2).summary() == {"STQ": 0, "AQ": 0, "SQ": 0}
    assert StqCounts.total([]).summary() == {"STQ": 0, "AQ": 0, "SQ": 0}


@pytest.mark.parametrize("seed", range(3))
def test_random_data_sets(seed: int) -> None:
    """Overlapping sequences of three categories in several videos, some of them crowds, some unseen in frames."""
    rng = np.random.default_rng(seed)
    annotations, results, expected = random_data(rng)
    summary = evaluate_tracking(results, annotations, 0.3).summary()
    assert {name: summary[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert 0.05 < summary["STQ"] < 0.95


def random_data(rng: np.random.Generator) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, float]]:
    videos, objects, results, pixels = [], [], [], []
    for video in (1, 2, 3):
        length = int(rng.integers(2, 5))
        videos.append(
            {"id": video, "width": SIZE[1], "height": SIZE[0], "length": length, "file_names": ["x.jpg"] * length}
        )
        truths, tracks = [], []
        for number in range(5):
            masks = random_masks(rng, length)
            category, crowd = int(rng.integers(1, 4)), number == 4 and video < 3
            truths.append((category, crowd, masks))
            objects.append({"id": len(objects) + 1, "video_id": video, "category_id": category, "iscrowd": int(crowd),
                            "segmentations": encoded(masks)})  # fmt: skip
            near = np.roll(masks, rng.integers(-2, 3, 2), (1, 2))
            tracks.append((float(rng.random()), category if rng.random() < 0.7 else 1, near))
        tracks.append((0.95, 2, random_masks(rng, length)))
        rng.shuffle(tracks)
        for score, category, masks in tracks:
            entry = {"video_id": video, "category_id": category, "score": score, "segmentations": encoded(masks)}
            results.append(entry)
        pixels.append((truths, [track for track in tracks if track[0] >= 0.3]))
    annotations = {
        "videos": videos,
        "annotations": objects,
        "categories": [{"id": n, "name": f"category {n}"} for n in (1, 2, 3, 4)],
    }
    return annotations, results, straightforward(pixels)


def random_masks(rng: np.random.Generator, length: int) -> np.ndarray:
    masks = np.zeros((length, *SIZE), bool)
    for mask in masks:
        top, left = rng.integers(0, (8, 12))
        mask[top : top + rng.integers(2, 7), left : left + rng.integers(2, 9)] = rng.random() < 0.85
    return masks


def encoded(masks: np.ndarray) -> list[RLE | None]:
    rles = encode_masks(masks.astype(np.uint8))
    return [rle if mask.any() else None for rle, mask in zip(rles, masks, strict=True)]


def straightforward(videos: list[Any]) -> dict[str, float]:
    """STQ by its definition, pixel by pixel; of all arrays only single elements are read."""
    qualities, shared, union = [], Counter(), Counter()
    for truths, tracks in videos:
        together, sizes, owned = Counter(), Counter(), Counter()
        for t, y, x in np.ndindex(truths[0][2].shape):
            here = [g for g, (_, crowd, masks) in enumerate(truths) if masks[t, y, x] and not crowd]
            covering = [p for p, (_, _, masks) in enumerate(tracks) if masks[t, y, x]]
            owner = max(covering, key=lambda p: tracks[p][0], default=None)
            if not here and any(masks[t, y, x] for _, crowd, masks in truths if crowd):
                continue
            sizes.update(here)
            categories = {truths[g][0] for g in here}
            if owner is not None:
                owned[owner] += 1
                together.update((owner, g) for g in here)
                shared[tracks[owner][1]] += tracks[owner][1] in categories
                categories = categories | {tracks[owner][1]}
            union.update(categories)
        for g, size in sizes.items():
            pairs = [(owned[p], n) for (p, other), n in together.items() if other == g]
            qualities.append(sum(n * n / (area + size - n) for area, n in pairs) / size)
    aq = sum(qualities) / len(qualities)
    sq = sum(shared[category] / union[category] for category in union) / len(union)
    return {"STQ": math.sqrt(aq * sq), "AQ": aq, "SQ": sq}
