"""YouTube-VIS AP and AR: against the official evaluator's figures, a straightforward one, and their known values."""

from __future__ import annotations

import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmdet_vis.evaluation.ytvis import evaluate, load_annotations, load_results
from mmdet_vis.evaluation.ytvis.metrics import SUMMARY
from mmdet_vis.evaluation.ytvis.straightforward import straightforward
from tests.ytvis_cases import (
    dataset,
    example,
    moving_rectangle,
    perfect_predictions,
    prediction,
    random_case,
    rectangle,
)

FEW = settings(max_examples=25, deadline=None, derandomize=True)


@pytest.mark.parametrize("case", ["case_a", "case_b"])
def test_equals_the_official_evaluator(shared: Path, case: str) -> None:
    folder = shared / "reference" / "ytvis_ap"
    metrics = evaluate(load_results(folder / f"{case}_results.json"), load_annotations(folder / f"{case}_gt.json"))
    expected = json.loads((folder / f"{case}_expected.json").read_text())
    assert metrics.summary() == pytest.approx(expected, abs=1e-12)
    assert list(metrics.summary()) == list(expected)


@given(random_case())
@FEW
def test_equals_a_straightforward_evaluation(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    annotations, results = case
    expected = dict.fromkeys(SUMMARY, -1.0) | straightforward(copy.deepcopy(results), annotations)
    assert evaluate(results, annotations).summary() == pytest.approx(expected, abs=1e-12)


@given(random_case())
@FEW
def test_perfect_predictions_give_one(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    annotations, _ = case
    # An object that is never visible cannot be found.
    annotations["annotations"] = [
        a for a in annotations["annotations"] if any(mask and coco_mask.area(mask) for mask in a["segmentations"])
    ]
    summary = evaluate(perfect_predictions(annotations), annotations).summary()
    visible = any(not a["iscrowd"] for a in annotations["annotations"])
    assert [summary[key] for key in ("AP", "AP50", "AP75", "AR100")] == pytest.approx([1 if visible else -1] * 4)
    assert [abs(summary[key]) for key in ("APs", "APm", "APl", "ARs", "ARm", "ARl")] == pytest.approx([1] * 6)


@given(random_case(), st.integers(0, 1000))
@FEW
def test_order_does_not_matter(case: tuple[dict[str, Any], list[dict[str, Any]]], seed: int) -> None:
    annotations, results = case
    expected = evaluate(results, annotations)
    shuffle = random.Random(seed).shuffle
    shuffle(results)
    shuffle(annotations["videos"])
    shuffle(annotations["categories"])
    np.testing.assert_array_equal(evaluate(results, annotations).precision, expected.precision)


@given(random_case())
@FEW
def test_forms_of_a_mask_are_equal(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    annotations, results = case
    expected = evaluate(results, annotations)
    forms = itertools.cycle((_as_list, _as_bytes, _as_null, _as_list))  # each of them of one object, too
    for entry in [*results, *annotations["annotations"]]:
        entry["segmentations"] = [mask and next(forms)(mask) for mask in entry["segmentations"]]
    other = evaluate(results, annotations)
    np.testing.assert_array_equal(other.precision, expected.precision)
    np.testing.assert_array_equal(other.recall, expected.recall)


def _as_list(mask: dict[str, Any]) -> dict[str, Any]:
    flat = coco_mask.decode(mask).ravel(order="F")
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], flat]), append=1 - flat[-1]))
    return {"size": mask["size"], "counts": np.diff(bounds, prepend=0).tolist()}


def _as_bytes(mask: dict[str, Any]) -> dict[str, Any]:
    return {**mask, "counts": mask["counts"].encode()}


def _as_null(mask: dict[str, Any]) -> dict[str, Any] | None:
    return mask if coco_mask.area(mask) else None


def test_polygons_of_annotations_are_masks() -> None:
    annotations = dataset([(1, 1, moving_rectangle(10, 20, 100, 50, 1))], frames=1)
    polygon = copy.deepcopy(annotations)
    polygon["annotations"][0]["segmentations"] = [[[10, 20, 110, 20, 110, 70, 10, 70]]]
    results = [prediction(1, 1, 0.5, moving_rectangle(10, 20, 100, 40, 1))]
    assert evaluate(results, polygon).summary() == evaluate(results, annotations).summary()


@pytest.mark.parametrize("found", [1, 4, 10])
def test_objects_not_found_cost_recall(found: int) -> None:
    objects = [(1, 1, moving_rectangle(30 * n, 10 * n, 25, 40, 2)) for n in range(10)]
    annotations = dataset(objects, frames=2, categories=1)
    results = perfect_predictions(annotations)[:found]
    summary = evaluate(results, annotations).summary()
    assert summary["AR100"] == summary["AR10"] == pytest.approx(found / 10)
    assert summary["AR1"] == pytest.approx(0.1)
    # Precision is 1 up to the recall reached, and 0 beyond.
    assert summary["AP"] == pytest.approx(sum(point <= found / 10 for point in np.linspace(0, 1, 101)) / 101)
    # What nobody annotated cannot be missed.
    del annotations["annotations"][found:]
    assert evaluate(results, annotations).summary()["AP"] == pytest.approx(1)


def test_iou_is_that_of_the_whole_sequence() -> None:
    """Two of four frames found: IoU 0.5 counts as a match at 0.5 and at no other threshold."""
    masks = moving_rectangle(10, 10, 50, 50, 4)
    metrics = evaluate([prediction(1, 1, 0.5, [*masks[:2], None, None])], dataset([(1, 1, masks)], frames=4))
    assert metrics.summary()["AP50"] == pytest.approx(1)
    assert metrics.summary()["AP"] == pytest.approx(0.1)


def test_a_prediction_on_a_crowd_does_not_count() -> None:
    annotations = example()
    crowd = moving_rectangle(200, 10, 80, 40, 3)
    annotations["annotations"].append({"id": 9, "video_id": 1, "category_id": 1, "iscrowd": 1, "segmentations": crowd})
    results = perfect_predictions(annotations)
    on_crowd = [prediction(1, 1, 0.95 + 0.001 * n, crowd) for n in range(3)]
    assert evaluate(results + on_crowd, annotations).summary()["AP"] == pytest.approx(1)
    beside = [prediction(1, 1, 0.99, moving_rectangle(200, 200, 80, 40, 3))]
    assert evaluate(results + beside, annotations).summary()["AP"] < 1


def test_an_object_comes_before_a_crowd_that_fits_better() -> None:
    masks = moving_rectangle(10, 10, 50, 50, 3)
    annotations = dataset([(1, 1, moving_rectangle(10, 10, 50, 40, 3)), (1, 1, masks)])
    annotations["annotations"][1]["iscrowd"] = 1
    assert evaluate([prediction(1, 1, 0.5, masks)], annotations).summary()["AP75"] == pytest.approx(1)


def test_an_object_may_be_taken_in_one_size_range_only() -> None:
    """The best prediction prefers the medium object, but takes the small one where medium ones are ignored."""
    small, medium = moving_rectangle(0, 0, 128, 125, 1), moving_rectangle(0, 0, 136, 125, 1)
    annotations = dataset([(1, 1, small), (1, 1, medium)], frames=1)
    results = [prediction(1, 1, 0.9, moving_rectangle(0, 0, 132, 125, 1))]
    results += [prediction(1, 1, 0.8 + n / 100, moving_rectangle(200, 5 * n, 40, 40, 1)) for n in range(9)]
    results += [prediction(1, 1, 0.1, moving_rectangle(0, 0, 128, 75, 1))]
    summary = evaluate(results, annotations).summary()
    # The last prediction's IoU with the small object is 0.6: found at three of ten thresholds besides the medium one.
    assert summary["AR100"] == pytest.approx((1 + 0.3) / 2)
    assert summary == pytest.approx(dict.fromkeys(SUMMARY, -1.0) | straightforward(results, annotations))


def test_the_areas_of_the_file_decide_on_the_size() -> None:
    annotations = dataset([(1, 1, moving_rectangle(10, 10, 50, 50, 3))])
    results = perfect_predictions(annotations)
    sizes = ["APs", "APm", "APl"]
    assert [evaluate(results, annotations).summary()[key] for key in sizes] == pytest.approx([1, -1, -1])
    annotations["annotations"][0]["areas"] = [70000, None, 70000]
    assert [evaluate(results, annotations).summary()[key] for key in sizes] == pytest.approx([-1, -1, 1])


def test_predictions_beyond_the_hundredth_of_a_category_do_not_count() -> None:
    annotations = example()
    junk = [prediction(1, 1, 0.5 + n / 1000, moving_rectangle(n, 200, 30, 30, 3)) for n in range(100)]
    last = prediction(1, 1, 0.1, annotations["annotations"][0]["segmentations"])
    assert evaluate([*junk, last], annotations).summary()["AR100"] == 0
    assert evaluate([*junk[1:], last], annotations).summary()["AR100"] > 0


def test_empty_cases() -> None:
    annotations = example()
    assert evaluate([], annotations).summary()["AP"] == 0
    nothing = [prediction(1, 1, 0.5, [None] * 3), prediction(1, 2, 0.4, [rectangle(0, 0, 0, 0)] * 3)]
    assert evaluate(nothing, annotations).summary()["AR100"] == 0
    annotations["annotations"] = []
    assert set(evaluate(perfect_predictions(example()), annotations).summary().values()) == {-1.0}


def test_a_sequence_under_several_categories_counts_under_each() -> None:
    annotations = example()
    masks = annotations["annotations"][0]["segmentations"]
    results = [prediction(1, 1, 0.9, masks), prediction(1, 2, 0.8, copy.deepcopy(masks))]
    rows = {row["name"]: row for row in evaluate(results, annotations).per_category()}
    assert rows["kind 1"]["AR100"] == 0.5
    assert rows["kind 2"]["AR100"] == 0
    assert (rows["kind 1"]["objects"], rows["kind 1"]["predictions"]) == (2, 1)


def test_per_category_metrics_average_to_the_summary() -> None:
    annotations = example()
    results = perfect_predictions(annotations)[1:]
    metrics = evaluate(results, annotations)
    rows = metrics.per_category()
    assert np.mean([row["AP"] for row in rows]) == pytest.approx(metrics.summary()["AP"])
    assert metrics.pr_curve(0.5).mean() == pytest.approx(metrics.summary()["AP50"])
    table = metrics.table(per_category=True)
    assert "kind 2" in table
    assert f"{100 * metrics.summary()['AP75']:.2f}" in table


def test_frames_that_nobody_annotated_count_for_nothing() -> None:
    annotations = example()
    video = annotations["videos"][0]
    results = perfect_predictions(annotations)
    whole = evaluate(results, annotations).summary()
    for entry in annotations["annotations"]:
        if entry["video_id"] == video["id"]:
            entry["segmentations"] = [entry["segmentations"][0], *[None] * (video["length"] - 1)]
            entry.pop("areas", None)
    assert evaluate(results, annotations).summary()["AP75"] < whole["AP75"]
    video["annotated_frames"] = [0]
    assert evaluate(results, annotations).summary()["AP75"] == whole["AP75"]
