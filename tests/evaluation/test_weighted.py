"""Weighted measures are those of a data set in which each video is there as often as its weight says."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from mmdet_vis.evaluation.davis import DavisMetrics, ObjectMetrics
from mmdet_vis.evaluation.tracking import evaluate_tracking
from mmdet_vis.evaluation.weighted import WeightedAP, WeightedMeans, WeightedTogether, WeightedTracking
from mmdet_vis.evaluation.ytvis import evaluate
from tests.ytvis_cases import dataset, moving_rectangle, prediction

FRAMES = 3
TRACKING = ("HOTA", "DetA", "AssA", "MOTSA", "sMOTSA", "IDF1", "STQ")


def random_data(seed: int, videos: int = 4) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Annotations and two results; one video has no object, one category is in one video only."""
    rng = np.random.default_rng(seed)
    objects, results = [], ([], [])
    for video in range(1, videos + 1):
        boxes = [rng.integers((0, 0, 30, 30), (150, 150, 150, 150)) for _ in range(0 if video == 2 else 3)]
        for number, box in enumerate(boxes):
            category = 3 if video == 1 and number == 0 else int(rng.integers(1, 3))
            objects.append((video, category, moving_rectangle(*box, FRAMES)))
            for entries in results:
                near = box + rng.integers(-12, 13, 4)
                entries.append(prediction(video, category, float(rng.random()), moving_rectangle(*near, FRAMES)))
        for entries in results:
            box = rng.integers((0, 0, 30, 30), (150, 150, 150, 150))
            category = int(rng.integers(1, 4))
            entries.append(prediction(video, category, float(rng.random()), moving_rectangle(*box, FRAMES)))
    return dataset(objects, videos, FRAMES, categories=3), *results


def repeated(
    annotations: dict[str, Any], results: list[dict[str, Any]], weights: list[int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Each video as often as its weight says, under ids of its own."""
    data: dict[str, Any] = {**copy.deepcopy(annotations), "videos": [], "annotations": []}
    entries = []
    for video, weight in zip(annotations["videos"], weights, strict=True):
        for _ in range(weight):
            new = len(data["videos"]) + 1
            data["videos"].append({**video, "id": new})
            for source, target in ((annotations["annotations"], data["annotations"]), (results, entries)):
                target += [{**item, "video_id": new} for item in source if item["video_id"] == video["id"]]
    for number, item in enumerate(data["annotations"], start=1):
        item["id"] = number
    return data, entries


def measured(annotations: dict[str, Any], results: list[dict[str, Any]]) -> WeightedTogether:
    tracking = evaluate_tracking(results, annotations, 0.3)
    return WeightedTogether([WeightedAP.of(evaluate(results, annotations)), WeightedTracking.of(tracking)])


def expected(annotations: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    ap, tracking = evaluate(results, annotations).summary(), evaluate_tracking(results, annotations, 0.3).summary()
    return {**{name: ap[name] for name in ("AP", "AP50", "AP75")}, **{name: tracking[name] for name in TRACKING}}


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_repetitions(seed):
    annotations, results, _ = random_data(seed)
    weightings = [[1, 1, 1, 1], [0, 1, 1, 2], [3, 0, 0, 1], [2, 0, 3, 1], [0, 0, 1, 0]]
    found = measured(annotations, results)(np.array(weightings, float))
    for row, weights in enumerate(weightings):
        truth = expected(*repeated(annotations, results, weights))
        assert {name: values[row] for name, values in found.items()} == pytest.approx(truth, abs=1e-9)
    assert 0.1 < found["AP"][0] < 0.9


@pytest.mark.parametrize("seed", range(2))
def test_videos_of_two_results_are_chosen_from(seed):
    annotations, first, second = random_data(seed)
    both = measured(annotations, first).beside(measured(annotations, second))
    swap = np.array([0, 1, 0, 1])
    found = both(np.concatenate([1 - swap, swap])[None].astype(float))
    mixed = [e for e in first if not swap[e["video_id"] - 1]] + [e for e in second if swap[e["video_id"] - 1]]
    truth = expected(annotations, mixed)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(truth, abs=1e-9)
    assert truth["AP"] != pytest.approx(expected(annotations, first)["AP"])


def test_what_has_no_object_is_not_a_number():
    annotations, results, _ = random_data(0)
    found = measured(annotations, results)(np.array([[0, 1, 0, 0], [0, 0, 0, 0.0]]))
    assert np.isnan(found["AP"]).all()
    assert found["HOTA"][0] == 0  # a track where nothing is
    assert np.isnan(found["HOTA"][1])


def test_means_over_the_objects_of_weighted_videos():
    objects = [
        ObjectMetrics(video, number, number, np.full(4, j), np.full(4, f))
        for video, number, j, f in (("a", 1, 0.2, 0.4), ("a", 2, 0.6, 0.8), ("c", 1, 1.0, 0.5))
    ]
    means = WeightedMeans.of(DavisMetrics(objects), ["a", "b", "c"])
    found = means(np.array([[1, 1, 1], [1, 0, 0], [1, 5, 2], [0, 1, 0.0]]))
    summary = DavisMetrics(objects).summary()
    assert found["J&F-Mean"][0] == pytest.approx(summary["J&F-Mean"])
    assert found["J-Mean"][:3] == pytest.approx([0.6, 0.4, 0.7])
    assert found["F-Mean"][:3] == pytest.approx([1.7 / 3, 0.6, 0.55])
    assert np.isnan(found["J-Mean"][3])
    both = means.beside(means)(np.array([[1, 0, 0, 0, 0, 1.0]]))
    assert both["J-Mean"][0] == pytest.approx(1.8 / 3)
