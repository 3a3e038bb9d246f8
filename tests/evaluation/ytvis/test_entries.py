"""Bad YouTube-VIS files give one line that names the file, the entry and the fault."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmdet_vis.data.formats.opening import strictly
from mmdet_vis.errors import DatasetError, OutputError, ResultsError
from mmdet_vis.evaluation.ytvis import evaluate, load_annotations, load_results, plot_pr_curves
from tests.ytvis_cases import example, perfect_predictions, without_last_run

Change = Callable[[Any], Any]


def entry_with(key: str, value: Any) -> Change:
    def change(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results[1][key] = value
        return results

    return change


def mask_with(**values: Any) -> Change:
    def change(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results[1]["segmentations"] = [None, {**results[1]["segmentations"][1], **values}, None]
        return results

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda results: {"annotations": results}, "must hold a list of entries, not dict"),
        (lambda results: [results[0], 7], "entry 1 is not an object"),
        (lambda results: [results[0], {}], "entry 1 has no 'video_id'"),
        (entry_with("video_id", 99), "entry 1 has video_id 99, which is no id of a video in val.json"),
        (entry_with("video_id", [1]), r"entry 1 has video_id \[1\]"),
        (entry_with("category_id", "1"), "entry 1 has category_id '1', which is no id of a category"),
        (entry_with("category_id", True), "entry 1 has category_id True"),
        (entry_with("score", math.nan), "entry 1 has score nan, not a finite number"),
        (entry_with("score", math.inf), "entry 1 has score inf"),
        (entry_with("score", 10**400), "entry 1 has score 1000"),
        (entry_with("score", None), "entry 1 has score None"),
        (entry_with("segmentations", "abc"), "entry 1 has 'segmentations' that are not a list"),
        (entry_with("segmentations", [None]), "entry 1 has 1 segmentations, video 1 has 3 frames"),
        (entry_with("segmentations", [None, 5, None]), r"entry 1 \(video 1\) has a mask for frame 1 that is not null"),
        (mask_with(size=[10, 20]), r"frame 1 that has size \[10, 20\], the video is \[height, width\] = \[300, 340\]"),
        (mask_with(counts="9P"), r"entry 1 \(video 1\) has a mask for frame 1 that ends in the middle"),
        (mask_with(counts="abc d"), "frame 1 that has characters"),
        (mask_with(counts="0o" + "o" * 4 + "0"), "frame 1 with more pixels than the frame"),
        (mask_with(counts=[5, 6]), "frame 1 that has runs of 11 pixels, the frame has 102000"),
    ],
)
def test_results(change: Change, message: str) -> None:
    results = change(perfect_predictions(example()))
    with pytest.raises(ResultsError, match=message) as info:
        evaluate(results, example(), results_name="res.json", annotations_name="val.json")
    assert str(info.value).startswith("res.json")
    assert "\n" not in str(info.value)


def test_runs_that_do_not_fill_the_frame() -> None:
    results = perfect_predictions(example())
    results[1]["segmentations"][1] = without_last_run(results[1]["segmentations"][1])
    with pytest.raises(ResultsError, match=r"res.json: entry 1 \(video 1\) has a mask for frame 1 that has runs of"):
        evaluate(results, example(), results_name="res.json")


def annotation_with(key: str, value: Any) -> Change:
    def change(annotations: dict[str, Any]) -> dict[str, Any]:
        annotations["annotations"][1][key] = value
        return annotations

    return change


def without(key: str) -> Change:
    return lambda annotations: {k: v for k, v in annotations.items() if k != key}


def listed(key: str, value: Any) -> Change:
    return lambda annotations: {**annotations, key: value}


def truncated_mask(annotations: dict[str, Any]) -> dict[str, Any]:
    masks = annotations["annotations"][1]["segmentations"]
    masks[1] = without_last_run(masks[1])
    return annotations


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: [], "is not a YouTube-VIS annotation file"),
        (without("videos"), "has no list 'videos'"),
        (without("categories"), "has no list 'categories'"),
        (without("annotations"), "has no list 'annotations': metrics need a file with ground truth"),
        (listed("videos", [5]), "video 0 is not an object"),
        (listed("videos", [{"id": 1, "height": 0, "width": 4, "length": 1}]), "video 0 has height 0"),
        (listed("videos", [{"id": 1, "height": 5, "width": 4}]), "video 0 has length None"),
        (listed("videos", example()["videos"][:1] * 2), "two videos have id 1"),
        (listed("categories", example()["categories"][:1] * 2), "two categories have id 1"),
        (listed("categories", [{"name": "cat"}]), "category 0 has id None, not a whole number"),
        (listed("annotations", ["a"]), "annotation 0 is not an object"),
        (annotation_with("video_id", 9), "annotation 1 has video_id 9, which no video has"),
        (annotation_with("category_id", 9), "annotation 1 has category_id 9, which no category has"),
        (annotation_with("segmentations", [None]), "annotation 1 has 1 segmentations, video 1 has 3 frames"),
        (annotation_with("segmentations", None), "annotation 1 has no list of segmentations"),
        (annotation_with("segmentations", [None, None, "x"]), "annotation 1 has a mask for frame 2 that is not null"),
        (annotation_with("areas", ["x"]), "annotation 1 has areas that are not numbers"),
        (truncated_mask, "annotation 1 has a mask for frame 1 that has runs of"),
    ],
)
def test_annotations(change: Change, message: str) -> None:
    with pytest.raises(DatasetError, match=message) as info:
        evaluate([], change(example()), annotations_name="val.json")
    assert str(info.value).startswith("val.json")
    assert "\n" not in str(info.value)


def test_files(tmp_path: Path) -> None:
    missing, text, listed_json = tmp_path / "missing.json", tmp_path / "text.json", tmp_path / "list.json"
    text.write_text('{"videos": [')
    listed_json.write_text("[]")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ResultsError, match="is a folder"):
        load_results(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty"):  # a folder may be annotations, too
        load_annotations(tmp_path / "empty")
    for path, message in (
        (missing, "does not exist"),
        (text, "is not valid JSON .*line 1, column"),
        (binary, "not UTF-8"),
    ):
        with pytest.raises(ResultsError, match=message):
            load_results(path)
        with pytest.raises(DatasetError, match=message):
            load_annotations(path)
    with pytest.raises(DatasetError, match="must be an object"):
        load_annotations(listed_json)
    assert load_results(listed_json) == []
    for content, message in (
        ('{"format": "mmdet_vis result"}', "is a saved result of one video: give the results.json"),
        ('{"videos": [], "annotations": []}', "is an annotation file: the results come first"),
    ):
        text.write_text(content)
        with pytest.raises(ResultsError, match=message):
            load_results(text)


def test_zips(tmp_path: Path) -> None:
    path = tmp_path / "results.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("results.json", json.dumps(perfect_predictions(example())))
    assert load_results(path) == perfect_predictions(example())
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("folder/results.json", "[]")
    with pytest.raises(ResultsError, match=r"holds no results\.json at its top level"):
        load_results(tmp_path / "other.zip")
    data = bytearray(path.read_bytes())
    data[60:70] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(ResultsError, match=r"cannot read results\.json in"):
        load_results(path)


def test_plots(tmp_path: Path) -> None:
    metrics = evaluate(perfect_predictions(example()), example())
    for name, start in (("pr.png", b"\x89PNG"), ("pr.pdf", b"%PDF"), ("pr.svg", b"<?xml")):
        plot_pr_curves(metrics, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(OutputError, match=r"must end in \.png, \.pdf, \.svg"):
        plot_pr_curves(metrics, tmp_path / "pr.txt")
    with pytest.raises(OutputError, match="cannot write"):
        plot_pr_curves(metrics, tmp_path / "missing" / "pr.png")


def test_categories_that_the_annotations_lack_are_left_out_as_the_official_evaluator_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    results, content = perfect_predictions(example()), example()
    expected = evaluate(results, content).summary()
    others = [{**entry, "category_id": 77} for entry in results[:2]]
    assert (
        evaluate(others + results, content, results_name="res.json", annotations_name="val.json").summary() == expected
    )
    assert "res.json: left out: 2 entries of categories that val.json does not have (category_id 77)" in caplog.text
    with strictly(), pytest.raises(DatasetError, match="2 entries of categories that annotations does not have"):
        evaluate(others + results, content)
    for wrong in (others, [*results, {**results[0], "category_id": 0}]):  # another numbering
        with pytest.raises(ResultsError, match="which is no id of a category in annotations"):
            evaluate(wrong, content)
