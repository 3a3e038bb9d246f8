"""DAVIS J&F: against the official evaluator's figures, plain definitions, and known values."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from mmdet_vis.errors import DatasetError, ResultsError
from mmdet_vis.evaluation.davis import evaluate
from mmdet_vis.evaluation.davis.measures import contour_accuracy, region_similarity
from mmdet_vis.evaluation.davis.metrics import statistics
from tests.davis_cases import FRAMES, HEIGHT, VIDEOS, WIDTH, read_map, write_davis, write_map, write_results


def test_equals_the_official_evaluator(shared: Path) -> None:
    case = shared / "reference" / "davis_jf" / "case_a"
    summary = evaluate(case / "results", case / "DAVIS").summary()
    expected = json.loads((case / "expected.json").read_text())
    assert summary == pytest.approx(expected, abs=1e-12)
    assert list(summary) == list(expected)


def plain_boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbour, one by one."""
    boundary = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            y1, x1 = min(y + 1, mask.shape[0] - 1), min(x + 1, mask.shape[1] - 1)
            boundary[y, x] = len({mask[y, x], mask[y1, x], mask[y, x1], mask[y1, x1]}) > 1
    return boundary


def plain_f(truth: np.ndarray, result: np.ndarray, radius: int) -> float:
    truth_boundary, result_boundary = plain_boundary(truth), plain_boundary(result)
    if not truth_boundary.any() or not result_boundary.any():
        return 1.0 if truth_boundary.any() == result_boundary.any() else 0.0

    def near(boundary: np.ndarray) -> np.ndarray:
        return ndimage.distance_transform_edt(~boundary) <= radius

    precision = near(truth_boundary)[result_boundary].mean()
    recall = near(result_boundary)[truth_boundary].mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@given(st.integers(0, 2**32), st.integers(0, 3), st.integers(2, 40), st.integers(2, 40))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_measures_equal_plain_ones(seed: int, coarseness: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    cell = 2**coarseness

    def labels(number: int) -> np.ndarray:
        small = rng.integers(0, number + 1, (height // cell + 1, width // cell + 1)).astype(np.uint8)
        return np.kron(small, np.ones((cell, cell), np.uint8))[:height, :width]

    truth, result = labels(2), labels(3)
    radius = int(np.ceil(0.008 * np.hypot(height, width)))
    j, f = region_similarity(truth, result, 3, 4), contour_accuracy(truth, result, 3, 4)
    assert j.shape == f.shape == (4, 3)
    for r in range(4):
        for t in range(3):
            a, b = truth == t + 1, result == r + 1
            assert j[r, t] == ((a & b).sum() / (a | b).sum() if (a | b).any() else 1.0)
            assert f[r, t] == pytest.approx(plain_f(a, b, radius), abs=1e-12)


def test_statistics() -> None:
    mean, recall, decay = statistics(np.array([1.0, 1.0, 0.8, 0.5, 0.4, 0.4, 0.2, 0.1]))
    assert mean == pytest.approx(4.4 / 8)
    assert recall == 3 / 8  # 0.5 itself is no hit
    # Bins of 8 frames end at 1, 2.75, 4.5, 6.25 and 8: frames 1 to 3, and 6 to 8.
    assert decay == pytest.approx((1.0 + 1.0 + 0.8) / 3 - (0.4 + 0.2 + 0.1) / 3)
    assert statistics(np.array([0.7])) == (0.7, 1.0, 0.0)


def test_perfect_results_whatever_their_numbers(tmp_path: Path) -> None:
    metrics = evaluate(write_results(tmp_path / "results"), write_davis(tmp_path / "DAVIS"))
    assert metrics.summary() == pytest.approx(
        {
            "J&F-Mean": 1,
            "J-Mean": 1,
            "J-Recall": 1,
            "J-Decay": 0,
            "F-Mean": 1,
            "F-Recall": 1,
            "F-Decay": 0,
        }
    )
    assert [(o.sequence, o.object_id, o.proposal_id) for o in metrics.objects] == [
        ("car", 1, 2),
        ("car", 2, 1),
        ("dog", 1, 2),
        ("dog", 2, 1),
    ]
    assert [row["J&F-Mean"] for row in metrics.per_object()] == [1] * 4
    assert "dog" in metrics.table(per_object=True)


def change_results(folder: Path, change: np.ndarray) -> Path:
    """Put every object number through a lookup table."""
    for path in folder.glob("*/*.png"):
        write_map(path, change[read_map(path)])
    return folder


def test_missing_objects_score_where_they_are_absent_and_spare_ones_cost_nothing(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "DAVIS")
    alone = change_results(write_results(tmp_path / "results"), np.array([0, 0, 2], np.uint8))
    rows = evaluate(alone, root).per_object()
    assert [row["J-Mean"] for row in rows] == pytest.approx([1, 1 / FRAMES, 1, 1 / FRAMES])
    for path in alone.glob("*/*.png"):
        pixels = read_map(path)
        pixels[:3, :3] = 20
        write_map(path, pixels)
    assert evaluate(alone, root).summary()["J-Recall"] == pytest.approx((1 + 1 / FRAMES) / 2)


def test_void_pixels_do_not_count(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    for path in results.glob("*/*.png"):
        pixels = read_map(path)
        pixels[:8, :20] = 1
        write_map(path, pixels)
    assert evaluate(results, root).summary()["J-Mean"] < 1
    for path in root.glob("Annotations_unsupervised/480p/*/*.png"):
        pixels = read_map(path)
        pixels[:10, :22] = 255
        write_map(path, pixels)
    assert evaluate(results, root).summary()["J-Mean"] == 1


def test_objects_are_those_of_the_first_frame(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    first, *others = sorted((root / "Annotations_unsupervised" / "480p" / "car").glob("*.png"))
    for path in others:
        pixels = read_map(path)
        pixels[55:, :5] = 3
        write_map(path, pixels)
    assert len(evaluate(results, root).objects) == 4
    write_map(first, np.zeros((HEIGHT, WIDTH), np.uint8))
    assert [o.sequence for o in evaluate(results, root).objects] == ["dog", "dog"]


def test_other_sets_are_looked_up_by_name(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    (root / "ImageSets" / "2019").mkdir()
    (root / "ImageSets" / "2019" / "mine.txt").write_text("dog")
    assert {o.sequence for o in evaluate(results, root, "mine").objects} == {"dog"}
    (root / "ImageSets" / "2019" / "val.txt").write_text("car")
    assert {o.sequence for o in evaluate(results, root, year=2019).objects} == {"car"}
    with pytest.raises(DatasetError, match=r"2017/mine\.txt cannot be read"):
        evaluate(results, root, "mine", year=2017)


def test_other_resolutions_and_the_link_to_the_frames(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    (root / "JPEGImages" / "480p").mkdir(parents=True)
    (tmp_path / "trainvalset_davis").symlink_to(root / "JPEGImages" / "480p")
    assert evaluate(results, tmp_path / "trainvalset_davis").summary()["J&F-Mean"] == 1
    annotations = root / "Annotations_unsupervised"
    (annotations / "480p").rename(annotations / "Full-Resolution")
    assert evaluate(results, root, resolution="Full-Resolution").summary()["J&F-Mean"] == 1
    with pytest.raises(DatasetError, match="480p/car has no PNG annotations"):
        evaluate(results, root)


def test_bad_input_is_named(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    frame = results / "dog" / "00003.png"
    original = frame.read_bytes()
    for pixels, message in (
        (np.zeros((HEIGHT, WIDTH + 1), np.uint8), "00003.png has 81x60 pixels, its annotation 80x60"),
        (np.full((HEIGHT, WIDTH), 21, np.uint8), "00003.png has object number 21: DAVIS allows 20"),
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "00003.png holds RGB pixels"),
    ):
        if pixels.ndim == 2:
            write_map(frame, pixels)
        else:
            Image.fromarray(pixels).save(frame)
        with pytest.raises(ResultsError, match=message):
            evaluate(results, root)
    frame.write_bytes(original[:50])
    with pytest.raises(ResultsError, match=r"cannot read .*00003\.png"):
        evaluate(results, root)
    frame.unlink()
    with pytest.raises(ResultsError, match=r"00003\.png does not exist"):
        evaluate(results, root)
    shutil.rmtree(results / "dog")
    with pytest.raises(ResultsError, match="has no folder dog: results are needed for all 2 annotated videos"):
        evaluate(results, root)
    with pytest.raises(ResultsError, match="is not a folder"):
        evaluate(tmp_path / "missing", root)


def test_a_set_without_objects_is_named(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    first = root / "Annotations_unsupervised" / "480p" / "car" / "00000.png"
    write_map(first, np.zeros((HEIGHT, WIDTH), np.uint8))
    assert {each.sequence for each in evaluate(results, root).objects} == {"dog"}
    write_map(first.parent.parent / "dog" / "00000.png", np.full((HEIGHT, WIDTH), 255, np.uint8))
    with pytest.raises(DatasetError, match=r"no object is annotated in the set of 2 videos: .*480p: J&F needs"):
        evaluate(results, root)


def test_a_bad_data_set_is_named(tmp_path: Path) -> None:
    root, results = write_davis(tmp_path / "DAVIS"), write_results(tmp_path / "results")
    with pytest.raises(DatasetError, match=r"ImageSets/2017/train\.txt cannot be read"):
        evaluate(results, root, "train")
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n")
    with pytest.raises(DatasetError, match="lists no videos"):
        evaluate(results, root)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join([*VIDEOS, "cat"]))
    with pytest.raises(DatasetError, match="cat has no PNG annotations"):
        evaluate(results, root)
