"""Types of errors, what they cost, and AP in parts: hand-made cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mmdet_vis.errors import UserError
from mmdet_vis.evaluation.analysis import analyze
from mmdet_vis.evaluation.ytvis import evaluate
from tests.ytvis_cases import (
    dataset,
    example,
    perfect_predictions,
    prediction,
    random_case,
    rectangle,
    without_last_run,
)

T = 10
Masks = list[Any]


def box(x: int, frames: int = T, width: int = 40, y: int = 50) -> Masks:
    return [rectangle(x, y, width, 40)] * frames


# Objects: 1 (kind 1) on the left, 2 (kind 1) in the middle, 3 (kind 2) on the right.
LEFT, MIDDLE, RIGHT = box(10), box(120), box(240)
HALF_LEFT = [rectangle(30, 50, 40, 40)] * T  # half beside the object: IoU 1/3
NOTHING = box(10, y=200)


def scene() -> dict[str, Any]:
    return dataset([(1, 1, LEFT), (1, 1, MIDDLE), (1, 2, RIGHT)], frames=T)


def types(
    predictions: list[tuple[int, float, Masks]], annotations: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Type and object id of each prediction (category, score, masks), and the types of the objects."""
    results = [prediction(1, *item) for item in predictions]
    video = analyze(results, annotations or scene(), **options).to_json()["videos"][0]
    by_entry = {entry["entry"]: (entry["type"], entry["object"]) for entry in video["predictions"]}
    return [by_entry.get(n) for n in range(len(results))], [entry["type"] for entry in video["objects"]]


@pytest.mark.parametrize(
    ("category", "masks", "expected", "outcome"),
    [
        (1, LEFT, ("correct", 1), "found"),
        (1, [rectangle(20, 50, 40, 40)] * T, ("correct", 1), "found"),  # IoU 0.6
        (2, LEFT, ("wrong class", 1), "wrong class"),
        (1, HALF_LEFT, ("poor mask", 1), "poor mask"),
        (2, HALF_LEFT, ("wrong class and mask", 1), "missed"),
        (1, [*LEFT[:4], *[None] * 6], ("broken track", 1), "broken track"),
        # One frame of ten is a tenth of its time, and the masks on nothing else are so large that the IoU is below 0.1.
        (1, [LEFT[0], *[rectangle(0, 150, 300, 150)] * 9], ("broken track", 1), "broken track"),
        (1, [*LEFT[:4], *NOTHING[4:]], ("broken track", 1), "broken track"),
        (2, [*LEFT[:4], *[None] * 6], ("wrong class and mask", 1), "missed"),
        # In the frames in which it is on the object its masks are poor, too.
        (1, [*HALF_LEFT[:6], *[None] * 4], ("poor mask", 1), "poor mask"),
        (1, NOTHING, ("background", None), "missed"),
        (1, [None] * T, ("background", None), "missed"),
        (1, [rectangle(46, 50, 40, 40)] * T, ("background", None), "missed"),  # IoU 4 / 76
    ],
)
def test_single_prediction(category: int, masks: Masks, expected: tuple[str, int | None], outcome: str) -> None:
    found, objects = types([(category, 0.9, masks)])
    assert found == [expected]
    assert objects == [outcome, "missed", "missed"]


def test_a_duplicate_is_the_one_with_the_lower_score() -> None:
    found, objects = types([(1, 0.5, LEFT), (1, 0.8, [rectangle(15, 50, 40, 40)] * T)])
    assert found == [("duplicate", 1), ("correct", 1)]
    assert objects[0] == "found"


def test_two_objects_on_one_place_may_both_be_found() -> None:
    annotations = dataset([(1, 1, LEFT), (1, 1, [rectangle(14, 50, 40, 40)] * T)], frames=T)
    found, objects = types([(1, 0.9, LEFT), (1, 0.8, LEFT), (1, 0.7, LEFT)], annotations)
    assert found == [("correct", 1), ("correct", 2), ("duplicate", 1)]
    assert objects == ["found", "found"]


def test_a_swap_is_a_broken_track_and_counted() -> None:
    results = [
        prediction(1, 1, 0.9, [*LEFT[:6], *MIDDLE[6:]]),
        prediction(1, 1, 0.8, [*[None] * 6, *LEFT[6:]]),
    ]
    analysis = analyze(results, scene())
    assert analysis.prediction_counts()["broken track"] == 2
    assert analysis.swaps() == 1
    assert analysis.tables[0].classified.targets.tolist() == [0, 0]


def test_a_crowd_is_ignored_and_is_no_object() -> None:
    annotations = scene()
    annotations["annotations"][0]["iscrowd"] = 1
    found, objects = types([(1, 0.9, LEFT), (1, 0.8, LEFT), (2, 0.7, LEFT)], annotations)
    assert found == [("ignored", 1), ("ignored", 1), ("background", None)]
    assert objects == ["missed", "missed"]


def test_predictions_below_the_threshold_get_no_type_but_count_for_ap() -> None:
    results = perfect_predictions(scene())
    results[0]["score"] = 0.05
    analysis = analyze(results, scene())
    assert analysis.prediction_counts()["correct"] == 2
    assert analysis.object_counts()["missed"] == 1
    assert analysis.summary["AP"] == pytest.approx(1)
    assert sum(analyze(results, scene(), score_thr=0.05).prediction_counts().values()) == 3


ERRORS: dict[str, list[tuple[int, float, Masks]]] = {
    "duplicate": [(1, 0.95, LEFT), (1, 0.9, LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "wrong class": [(2, 0.9, LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "broken track": [(1, 0.9, [*LEFT[:4], *[None] * 6]), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "poor mask": [(1, 0.9, HALF_LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "wrong class and mask": [(2, 0.95, HALF_LEFT), (1, 0.9, LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "background": [(1, 0.95, NOTHING), (1, 0.9, LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
    "missed": [(1, 0.8, MIDDLE), (2, 0.7, RIGHT)],
}


@pytest.mark.parametrize("error", ERRORS)
def test_mending_the_only_error_gives_ap_1(error: str) -> None:
    results = [prediction(1, *item) for item in ERRORS[error]]
    analysis = analyze(results, scene())
    assert analysis.summary["AP50"] < 0.99
    assert analysis.gains[error] == pytest.approx(1 - analysis.summary["AP50"])
    # An object without a prediction of its own is no "missed" one if an error explains it.
    assert all(gain == 0 for other, gain in analysis.gains.items() if other != error)


def test_a_mended_error_on_an_object_that_is_found_vanishes() -> None:
    results = [
        prediction(1, *item) for item in [(1, 0.95, HALF_LEFT), (1, 0.9, LEFT), (1, 0.8, MIDDLE), (2, 0.7, RIGHT)]
    ]
    analysis = analyze(results, scene())
    assert analysis.gains["poor mask"] == pytest.approx(1 - analysis.summary["AP50"])
    assert analysis.gains["poor mask"] > 0


@given(random_case())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_ap_is_the_evaluators_and_all_are_counted_once(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    annotations, results = case
    analysis = analyze(results, annotations, score_thr=0.0)
    expected = evaluate(results, annotations).summary()
    assert analysis.summary == pytest.approx({key: expected[key] for key in ("AP", "AP50")}, abs=1e-12)
    assert sum(analysis.prediction_counts().values()) == len(results)
    objects = [a for a in annotations["annotations"] if not a["iscrowd"]]
    assert sum(analysis.object_counts().values()) == len(objects)
    # Mending cannot cost anything.
    assert min(analysis.gains.values()) > -1e-9


def test_bins_of_length_and_size() -> None:
    """Objects of 4 and 10 frames, 40 and 100 pixels wide; only the short, small one is found."""
    large = [rectangle(150, 100, 100, 100)] * T
    annotations = dataset([(1, 1, [*LEFT[:4], *[None] * 6]), (1, 1, large)], frames=T)
    analysis = analyze([prediction(1, 1, 0.5, [*LEFT[:4], *[None] * 6])], annotations)
    bins = {key: {e.name: (e.objects, pytest.approx(e.ap)) for e in rows} for key, rows in analysis.bins.items()}
    assert {name: value for name, value in bins["length"].items() if value[0]} == {"1-8": (1, 1.0), "9-16": (1, 0.0)}
    assert {name: value for name, value in bins["size"].items() if value[0]} == {"32-64": (1, 1.0), "64-128": (1, 0.0)}
    assert bins["length"]["37+"] == (0, -1.0)


def test_a_wrong_prediction_counts_in_the_bin_of_its_own_length() -> None:
    short, long = [*LEFT[:4], *[None] * 6], MIDDLE
    annotations = dataset([(1, 1, short), (1, 1, long)], frames=T)
    results = [prediction(1, 1, 0.9, NOTHING), prediction(1, 1, 0.5, short), prediction(1, 1, 0.4, long)]
    ap = {entry.name: entry.ap for entry in analyze(results, annotations).bins["length"]}
    assert ap["1-8"] == pytest.approx(1)
    assert ap["9-16"] == pytest.approx(0.5)


def test_occlusion() -> None:
    """One object alone, one that is away for 3 of 10 frames, and two whose boxes touch in 6 of 10."""
    away = [*box(10, 4, y=200), *[None] * 3, *box(10, 3, y=200)]
    crossing = [rectangle(50 if t < 6 else 150, 50, 20, 40) for t in range(T)]
    annotations = dataset([(1, 1, LEFT), (1, 1, crossing), (1, 1, away), (1, 1, RIGHT)], frames=T)
    analysis = analyze(perfect_predictions(annotations), annotations)
    assert analysis.tables[0].occlusion == pytest.approx([0.6, 0.6, 0.3, 0.0])
    numbers = {entry.name: (entry.objects, entry.ap) for entry in analysis.bins["occlusion"]}
    assert [numbers[name][0] for name in ("none", "<25%", "25-50%", "50-75%", ">=75%")] == [1, 0, 1, 2, 0]
    assert numbers["50-75%"][1] == pytest.approx(1)


def test_worst_videos_by_mean_of_best_iou() -> None:
    annotations = dataset([(1, 1, LEFT), (2, 1, LEFT), (2, 1, MIDDLE), (3, 1, LEFT)], videos=4, frames=T)
    results = [prediction(1, 1, 0.9, LEFT), prediction(2, 1, 0.9, LEFT), prediction(3, 1, 0.9, HALF_LEFT)]
    results.append(prediction(3, 2, 0.9, LEFT))  # of another category
    worst = analyze(results, annotations).worst(10)
    # The fourth video has no objects.
    assert [(table.video_id, table.score()) for table in worst] == [(3, pytest.approx(1 / 3)), (2, 0.5), (1, 1.0)]
    assert [table.video_id for table in analyze(results, annotations).worst(1)] == [3]


def test_categories_and_confusions() -> None:
    results = [prediction(1, 2, 0.9, LEFT), prediction(1, 2, 0.8, MIDDLE), prediction(1, 2, 0.7, RIGHT)]
    analysis = analyze(results, scene())
    assert analysis.confusions() == [("kind 1", "kind 2", 2)]
    first, second = analysis.category_counts()
    assert first["objects"]["wrong class"] == 2
    assert second["predictions"]["wrong class"] == 2
    assert second["objects"]["found"] == 1


def test_no_predictions_and_no_objects() -> None:
    assert analyze([], example()).object_counts()["missed"] == 3
    nothing = analyze([prediction(1, 1, 0.9, LEFT)], dataset([], frames=T))
    assert nothing.summary == {"AP": -1, "AP50": -1}
    assert nothing.prediction_counts()["background"] == 1
    assert set(nothing.gains.values()) == {0.0}
    assert nothing.worst(3) == []


def test_a_mask_that_does_not_fill_the_frame_is_named() -> None:
    good = prediction(1, 1, 0.9, LEFT)
    bad = prediction(1, 2, 0.5, [*LEFT[:3], without_last_run(NOTHING[0]), *NOTHING[4:]])
    with pytest.raises(UserError, match=r"^r\.json: entry 1 \(video 1\) has a mask for frame 3"):
        analyze([good, bad], scene(), results_name="r.json")


def test_one_sequence_under_two_categories() -> None:
    found, _ = types([(1, 0.9, NOTHING), (2, 0.8, NOTHING), (1, 0.7, LEFT), (2, 0.6, LEFT)])
    assert [kind for kind, _ in found] == ["background", "background", "correct", "wrong class"]


def test_the_official_case(shared: Any) -> None:
    from mmdet_vis.evaluation.ytvis import load_annotations, load_results

    folder = shared / "reference" / "ytvis_ap"
    results, annotations = load_results(folder / "case_a_results.json"), load_annotations(folder / "case_a_gt.json")
    analysis = analyze(results, annotations)
    assert analysis.summary["AP"] == pytest.approx(evaluate(results, annotations).summary()["AP"], abs=1e-12)
    assert np.isfinite(list(analysis.gains.values())).all()
