"""The command lines of the evaluation, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.evaluation.submission import write_davis_zip
from mmdet_vis.files.atomic import write_zip
from tests import programs
from tests.davis_cases import HEIGHT, WIDTH, write_davis, write_map, write_results
from tests.ytvis_cases import example, perfect_predictions


def run(repository: Path, tool: str, *args: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repository / "tools" / tool), *map(str, args)]
    return programs.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Perfect results but for a missed object, and annotations."""
    (tmp_path / "results.json").write_text(json.dumps(perfect_predictions(example())[:2]))
    (tmp_path / "val.json").write_text(json.dumps(example()))
    return tmp_path / "results.json", tmp_path / "val.json"


def test_eval_vis(repository: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    results, annotations = files
    write_zip(tmp_path / "results.zip", [("results.json", results)], compress=True)
    out, plot = tmp_path / "new" / "metrics.json", tmp_path / "new" / "pr.png"
    done = run(
        repository,
        "eval_vis.py",
        *(tmp_path / "results.zip", annotations, "--out", out, "--per-category", "--plot", plot),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "AR100" in done.stdout
    assert "kind 2" in done.stdout
    metrics = json.loads(out.read_text())
    keys = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl", "per_category"]
    assert list(metrics) == keys
    assert metrics["AR100"] == pytest.approx(0.75)
    assert [row["AR100"] for row in metrics["per_category"]] == pytest.approx([0.5, 1])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_measures_of_tracking_beside_ap(repository: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    results, annotations = files
    out = tmp_path / "metrics.json"
    command = [sys.executable, "-m", "mmdet_vis", "eval", results, annotations, "--out", out, "--per-category"]
    done = programs.run(list(map(str, command)), capture_output=True, text=True, timeout=120, cwd=repository)
    assert done.returncode == 0, done.stderr
    assert "tracks with a score of at least 0.2" in done.stdout
    metrics = json.loads(out.read_text())
    assert 0 < metrics["tracking"]["HOTA"] < 1 == metrics["tracking"]["DetPr"]
    assert [row["HOTA"] for row in metrics["tracking_per_category"]][-1] == pytest.approx(1)


def test_eval_vis_on_the_reference(repository: Path, shared: Path, tmp_path: Path) -> None:
    folder = shared / "reference" / "ytvis_ap"
    out = tmp_path / "metrics.json"
    done = run(repository, "eval_vis.py", folder / "case_b_results.json", folder / "case_b_gt.json", "--out", out)
    assert done.returncode == 0, done.stderr
    expected = json.loads((folder / "case_b_expected.json").read_text())
    assert json.loads(out.read_text()) == pytest.approx(expected, abs=1e-6)


def test_eval_vis_names_bad_input(repository: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    results, annotations = files
    done = run(repository, "eval_vis.py", tmp_path / "none.json", annotations)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path / 'none.json'} does not exist: check the path\n"
    entries = json.loads(results.read_text())
    entries[1]["score"] = float("nan")
    results.write_text(json.dumps(entries))
    done = run(repository, "eval_vis.py", results, annotations, "--out", tmp_path / "metrics.json")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {results}: entry 1 has score nan, not a finite number")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "metrics.json").exists()


def test_outputs_are_checked_before_anything_is_read(
    repository: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    results, annotations = files
    missing = tmp_path / "none.json"  # To be found missing only later.
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    bad = ((tmp_path / "folder", "not a regular file"), (tmp_path / "file" / "x.json", "not a folder"))
    bad = (*bad, (tmp_path / ("n" * 300), "too long"))
    for tool, option, inputs in (
        ("eval_vis.py", "--out", (missing, annotations)),
        ("eval_davis.py", "--out", (missing, missing)),
        ("analyze_results.py", "--json", (missing, annotations, "--out", tmp_path / "report.html")),
    ):
        for path, words in bad:
            done = run(repository, tool, *inputs, option, path)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(f"error: cannot write {tmp_path / path.relative_to(tmp_path).parts[0]}")
            assert words in done.stderr
            assert done.stderr.count("\n") == 1
    done = run(repository, "eval_vis.py", missing, annotations, "--plot", tmp_path / "pr.jpg")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot write {tmp_path / 'pr.jpg'}: the name of a plot must end in .png")
    before = results.read_bytes()
    done = run(
        repository, "eval_vis.py", results, annotations, "--out", results.parent / "folder" / ".." / results.name
    )
    assert done.returncode == 2
    assert f"it is the input {results}" in done.stderr
    assert results.read_bytes() == before
    done = run(
        repository, "eval_vis.py", results, annotations, "--out", tmp_path / "a.svg", "--plot", tmp_path / "a.svg"
    )
    assert done.returncode == 2
    assert "another output has the same path" in done.stderr


def test_eval_davis(repository: Path, tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    out = tmp_path / "metrics.json"
    done = run(repository, "eval_davis.py", results, root, "--set", "val", "--out", out, "--per-object")
    assert (done.returncode, done.stderr) == (0, "")
    metrics = json.loads(out.read_text())
    keys = ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay", "per_object"]
    assert list(metrics) == keys
    assert metrics["J&F-Mean"] == 1
    assert len(metrics["per_object"]) == 4
    (results / "dog" / "00002.png").unlink()
    done = run(repository, "eval_davis.py", results, root)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {results / 'dog' / '00002.png'} does not exist")
    assert done.stderr.count("\n") == 1


def test_eval_davis_without_objects(repository: Path, tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    for path in (root / "Annotations_unsupervised").rglob("00000.png"):
        write_map(path, np.zeros((HEIGHT, WIDTH), np.uint8))
    done = run(repository, "eval_davis.py", results, root, "--out", tmp_path / "none.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no object is annotated in the set of 2 videos")
    assert not (tmp_path / "none.json").exists()


def test_check_submission(repository: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    results, annotations = files
    done = run(repository, "check_submission.py", results, annotations)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no problems in ")
    results.write_text(json.dumps([{**entry, "video_id": 77} for entry in json.loads(results.read_text())]))
    done = run(repository, "check_submission.py", results, annotations)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("- entry 0 has video_id 77")
    assert done.stdout.splitlines()[2].startswith("2 problems in ")
    done = run(repository, "check_submission.py", results, tmp_path / "none.json")
    assert done.returncode == 2
    assert "none.json does not exist" in done.stderr


def test_check_submission_of_davis(repository: Path, tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    write_davis_zip(tmp_path / "davis.zip", results)
    done = run(repository, "check_submission.py", tmp_path / "davis.zip", root, "--set", "val")
    assert (done.returncode, done.stderr) == (0, "")
    (results / "car" / "00000.png").unlink()
    done = run(repository, "check_submission.py", results, root)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "- car/00000.png is missing"


def test_davis_tools_take_the_link_to_the_frames_and_another_year(repository: Path, tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    (root / "JPEGImages" / "480p").mkdir(parents=True)
    (tmp_path / "trainvalset_davis").symlink_to(root / "JPEGImages" / "480p")
    (root / "ImageSets" / "2019").mkdir()
    (root / "ImageSets" / "2019" / "test-dev.txt").write_text("dog")
    for tool, words in (("eval_davis.py", "J&F-Mean"), ("check_submission.py", "6 frames of 1 videos of test-dev")):
        done = run(repository, tool, results, tmp_path / "trainvalset_davis", "--set", "test-dev")
        assert (done.returncode, done.stderr) == (0, "")
        assert words in done.stdout
        done = run(repository, tool, results, root, "--set", "test-dev", "--year", "2017")
        assert done.returncode == 2
        assert "ImageSets/2017/test-dev.txt cannot be read" in done.stderr
        done = run(repository, tool, results, root, "--resolution", "Full-Resolution")
        assert done.returncode == 2
        assert "Full-Resolution/car" in done.stderr


@pytest.mark.parametrize("tool", ["eval_vis.py", "eval_davis.py", "check_submission.py"])
def test_help(repository: Path, tool: str) -> None:
    done = run(repository, tool, "--help")
    assert done.returncode == 0
    assert "Exit code" in " ".join(done.stdout.split())
