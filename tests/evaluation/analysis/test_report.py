"""The HTML report and the command line tool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmdet_vis.errors import DatasetError, SourceError
from mmdet_vis.evaluation.analysis import analyze, draw_videos, render_report
from tests import programs
from tests.html_pages import check_self_contained
from tests.ytvis_cases import HEIGHT, WIDTH, example, perfect_predictions

EVIL = "<script>alert('1')</script>\"&\ud800 $x$"


def named(name: str) -> dict[str, Any]:
    annotations = example()
    annotations["categories"][0]["name"] = name
    annotations["videos"][0]["file_names"] = [f"{name}/{t}.jpg" for t in range(3)]
    return annotations


def write_frames(folder: Path, annotations: dict[str, Any], size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    for number, video in enumerate(annotations["videos"]):
        for name in video["file_names"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), np.full((*size, 3), 60 + 60 * number, np.uint8))
    return folder


def test_names_are_escaped() -> None:
    annotations = named(EVIL)
    results = perfect_predictions(annotations)
    for entry in results:
        entry["category_id"] = 3 - entry["category_id"]  # so that names stand in the table of confusions, too
    analysis = analyze(results, annotations)
    text = render_report(analysis, analysis.worst(10), {1: [(0, b"jpeg")]}, title=EVIL)
    page = check_self_contained(text)
    text.encode("utf-8")
    assert page.text.count("<script>alert('1')</script>\"&? $x$") >= 5
    assert "Most frequent confusions" in page.text


def test_figures_of_the_report() -> None:
    annotations = example()
    analysis = analyze(perfect_predictions(annotations)[1:], annotations)
    page = check_self_contained(render_report(analysis, analysis.worst(1)))
    assert f"AP50 {100 * analysis.summary['AP50']:.2f}" in page.text
    assert f"+{100 * analysis.gains['missed']:.2f}" in page.text
    plots = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in page.images()]
    assert len(plots) == 2
    assert all(plot.shape[1] > 800 and plot.std() > 10 for plot in plots)


def test_pictures_show_objects_and_predictions(tmp_path: Path) -> None:
    annotations = example()
    annotations["categories"][1]["name"] = "two\nlines \ud800"
    folder = write_frames(tmp_path, annotations)
    results = perfect_predictions(annotations)[1:]  # the first object is missed
    analysis = analyze(results, annotations)
    pictures = draw_videos(analysis, analysis.worst(1), results, annotations, folder)
    assert list(pictures) == [1]
    assert [t for t, _ in pictures[1]] == [0, 1, 2]
    picture = cv2.imdecode(np.frombuffer(pictures[1][2][1], np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert picture.shape == (HEIGHT, 2 * WIDTH + 6, 3)
    left, right = picture[:, :WIDTH], picture[:, WIDTH + 6 :]
    at_missed, at_found = (40, 90), (220, 230)
    assert np.abs(left[at_missed] - 60).max() > 40
    assert np.abs(right[at_missed] - 60).max() < 10
    # The same object has the same colour on both sides.
    assert np.abs(left[at_found] - right[at_found]).max() < 12
    assert np.abs(left[at_found] - 60).max() > 40


def test_pictures_of_large_frames_are_small(tmp_path: Path) -> None:
    annotations = example()
    for video in annotations["videos"]:
        video.update(height=1000, width=2000)
    annotations["annotations"] = [
        {
            **annotations["annotations"][0],
            "segmentations": [{"size": [1000, 2000], "counts": [5000, 900000, 1095000]}] * 3,
        }
    ]
    folder = write_frames(tmp_path, annotations, (1000, 2000))
    analysis = analyze([], annotations)
    pictures = draw_videos(analysis, analysis.worst(5), [], annotations, folder)
    for _, data in pictures[1]:
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (240, 2 * 480 + 6, 3)
        assert len(data) < 100_000


def test_pictures_that_cannot_be_drawn(tmp_path: Path) -> None:
    annotations = example()
    analysis = analyze([], annotations)
    with pytest.raises(SourceError, match=r"v0/0\.jpg"):
        draw_videos(analysis, analysis.worst(1), [], annotations, tmp_path)
    write_frames(tmp_path, annotations, (20, 30))
    with pytest.raises(SourceError, match="is 30x20, the annotations say 340x300"):
        draw_videos(analysis, analysis.worst(1), [], annotations, tmp_path)
    del annotations["videos"][0]["file_names"]
    with pytest.raises(DatasetError, match="video 1 has no list 'file_names'"):
        draw_videos(analysis, analysis.worst(1), [], annotations, tmp_path)


def run_tool(repository: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "tools" / "analyze_results.py"), *map(str, arguments)]
    return programs.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_tool(repository: Path, tmp_path: Path) -> None:
    annotations = example()
    folder = write_frames(tmp_path / "frames", annotations)
    (tmp_path / "a.json").write_text(json.dumps(annotations))
    (tmp_path / "r.json").write_text(json.dumps(perfect_predictions(annotations)[1:]))
    arguments = (tmp_path / "r.json", tmp_path / "a.json", "--img-prefix", folder, "--worst", "1")
    outputs = ("--out", tmp_path / "new" / "report.html", "--json", tmp_path / "new" / "m.json")
    done = run_tool(repository, *arguments, *outputs)
    assert done.returncode == 0, done.stderr
    assert "missed" in done.stdout
    page = check_self_contained((tmp_path / "new" / "report.html").read_text())
    assert len(page.images()) == 2 + 3
    metrics = json.loads((tmp_path / "new" / "m.json").read_text())
    assert metrics["objects"]["missed"] == 1
    assert metrics["AP50_gain"]["missed"] > 0

    failed = run_tool(repository, tmp_path / "r.json", tmp_path / "none.json", "--out", tmp_path / "x.html")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "none.json" in failed.stderr
    assert not (tmp_path / "x.html").exists()
