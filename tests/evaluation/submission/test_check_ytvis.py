"""YouTube-VIS submissions: the zip that is written, and what the check finds in others."""

from __future__ import annotations

import json
import math
import os
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmdet_vis.errors import DatasetError, OutputError, ResultsError
from mmdet_vis.evaluation.submission import Report, check_ytvis_submission
from mmdet_vis.evaluation.ytvis import load_results
from mmdet_vis.files.atomic import write_zip
from tests.ytvis_cases import example, perfect_predictions, without_last_run


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def hidden() -> dict[str, Any]:
    """The annotation file of a set without public ground truth."""
    return {key: value for key, value in example().items() if key != "annotations"}


def problems(path: Path) -> list[str]:
    return check_ytvis_submission(path, hidden(), "valid.json").problems


def test_what_is_written_is_fine_and_reads_back(tmp_path: Path) -> None:
    results = write_json(tmp_path / "results.json", perfect_predictions(example()))
    write_zip(tmp_path / "out.zip", [("results.json", results)], compress=True)
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["results.json"]
    assert load_results(tmp_path / "out.zip") == perfect_predictions(example())
    for path in (results, tmp_path / "out.zip"):
        report = check_ytvis_submission(path, hidden(), "valid.json")
        assert report.problems == []
        assert report.text() == f"no problems in {path} (3 sequences in 2 of the 2 videos of valid.json)"


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = write_json(tmp_path / "a.json", perfect_predictions(example()))
    write_zip(tmp_path / "a.zip", [("results.json", results)], compress=True)
    os.utime(results, (1e9, 1e9))
    results.chmod(0o600)
    write_zip(tmp_path / "b.zip", [("results.json", results)], compress=True)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(OutputError, match=r"cannot put .*none\.json"):
        write_zip(tmp_path / "c.zip", [("results.json", tmp_path / "none.json")], compress=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.zip", "b.zip"]


def put(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda entry: {**entry, key: value}


def put_mask(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def changed(entry: dict[str, Any]) -> dict[str, Any]:
        masks = entry["segmentations"]
        return {**entry, "segmentations": [masks[0], change(masks[1]), masks[2]]}

    return changed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda entry: [entry], "entry 1 is not an object {video_id, category_id, score, segmentations}"),
        (lambda entry: {"score": 1}, "entry 1 has no 'video_id'"),
        (put("video_id", 3), "entry 1 has video_id 3, which is no id of a video in valid.json"),
        (put("category_id", 0), "entry 1 has category_id 0, which is no id of a category in valid.json"),
        (put("score", math.nan), "entry 1 has score nan, not a finite number"),
        (put("score", "0.5"), "entry 1 has score '0.5', not a finite number"),
        (put("segmentations", []), "entry 1 has 0 segmentations, video 1 has 3 frames"),
        (put_mask(lambda mask: {**mask, "size": [1, 2]}), "entry 1 has a mask for frame 1 that has size [1, 2]"),
        (put_mask(lambda mask: {**mask, "counts": [300 * 340]}), "frame 1 that is neither null nor a compressed RLE"),
        (put_mask(lambda mask: [[0, 0, 5, 5, 0, 5]]), "frame 1 that is neither null nor a compressed RLE"),
        (put_mask(without_last_run), "entry 1 has a mask for frame 1 that has runs of"),
        (put_mask(lambda mask: {**mask, "counts": "9P"}), "entry 1 has a mask for frame 1 that ends in the middle"),
        (put_mask(lambda mask: {**mask, "counts": ""}), "entry 1 has a mask for frame 1 that has no runs"),
    ],
)
def test_bad_entries(tmp_path: Path, change: Callable[[Any], Any], problem: str) -> None:
    results = perfect_predictions(example())
    results[1] = change(results[1])
    found = problems(write_json(tmp_path / "results.json", results))
    assert len(found) == 1
    assert problem in found[0]


def test_all_problems_are_counted_and_fifty_listed(tmp_path: Path) -> None:
    results = perfect_predictions(example())
    results[0]["segmentations"][1] = without_last_run(results[0]["segmentations"][1])
    results[2]["segmentations"][2] = without_last_run(results[2]["segmentations"][2])
    results += [{**results[1], "score": None}] * 60
    report = check_ytvis_submission(write_json(tmp_path / "results.json", results), example())
    assert len(report.problems) == 62
    assert report.problems[0].startswith("entry 0 has a mask for frame 1")
    assert report.problems[1].startswith("entry 2 has a mask for frame 2")
    lines = report.text().splitlines()
    assert len(lines) == 52
    assert lines[50] == "... and 12 more"
    assert lines[51].startswith("62 problems in ")
    assert Report(["a"], "b").text() == "- a\n1 problem in b"


def test_whole_files(tmp_path: Path) -> None:
    assert problems(write_json(tmp_path / "a.json", {})) == ["the top level is dict, not a list of sequences"]
    assert "no sequences" in problems(write_json(tmp_path / "b.json", []))[0]
    with pytest.raises(ResultsError, match="does not exist"):
        problems(tmp_path / "missing.json")
    with pytest.raises(DatasetError, match="no list 'videos'"):
        check_ytvis_submission(tmp_path / "a.json", {})


def test_zips(tmp_path: Path) -> None:
    results = json.dumps(perfect_predictions(example()))
    link = zipfile.ZipInfo("results.json")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    cases: list[tuple[list[tuple[str | zipfile.ZipInfo, str]], str]] = [
        ([("out/results.json", results)], "no results.json at its top level (it is at out/results.json)"),
        ([("a.txt", "")], "no results.json at its top level (it holds a.txt)"),
        ([], "(it holds nothing)"),
        ([("results.json", results), ("/etc/passwd", "")], "'/etc/passwd' in the zip has an absolute path"),
        ([("results.json", results), ("C:\\a", "")], "in the zip has an absolute path"),
        ([("results.json", results), ("../a", "")], "'../a' in the zip leads out of its folder"),
        ([("results.json", results), ("a\\b", "")], "in the zip has backslashes"),
        ([("results.json", results), ("results.json", results)], "'results.json' is in the zip twice"),
        ([(link, "/etc/passwd")], "'results.json' in the zip is a symbolic link"),
    ]
    for members, problem in cases:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Duplicate name")
            for name, content in members:
                archive.writestr(name, content)
        found = problems(tmp_path / "a.zip")
        assert len(found) == 1, found
        assert problem in found[0]
    path = tmp_path / "a.zip"
    write_zip(
        path, [("results.json", write_json(tmp_path / "results.json", perfect_predictions(example())))], compress=True
    )
    path.write_bytes(path.read_bytes()[:100] + bytes(20) + path.read_bytes()[120:])
    with pytest.raises(ResultsError, match=r"cannot read results\.json in"):
        problems(path)
