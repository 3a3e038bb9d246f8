"""`mmdet-vis compare` and the intervals of `mmdet-vis eval`, on files as a user has them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.commands import compare
from mmdet_vis.commands import eval as evaluation
from mmdet_vis.errors import UserError
from mmdet_vis.evaluation.comparison.pictures import choose_frames
from tests.davis_cases import FRAMES, VIDEOS, read_map, write_davis, write_map, write_results
from tests.html_pages import check_self_contained
from tests.ytvis_cases import HEIGHT, WIDTH, dataset, moving_rectangle, perfect_predictions, rectangle

COUNT = 10


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Ten videos; B is right in all but the last, A is a little beside in all but the last, with frames of all."""
    data = dataset([(v, 1, moving_rectangle(50, 60, 120, 100, 3)) for v in range(1, COUNT + 1)], COUNT)
    for video in data["videos"]:
        video["file_names"] = [f"clip{video['id']}/{t}.jpg" for t in range(3)]
        for name in video["file_names"]:
            (tmp_path / "frames" / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "frames" / name), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    b = perfect_predictions(data)
    a = [{**e, "segmentations": [rectangle(80, 60, 120, 100)] * 3} if e["video_id"] < COUNT else e for e in b]
    b[-1] = {**b[-1], "segmentations": [rectangle(200, 200, 20, 20)] * 3}
    run = tmp_path / "run_b"
    run.mkdir()
    (run / "results.json").write_text(json.dumps(b))
    (tmp_path / "a.json").write_text(json.dumps(a))
    (tmp_path / "val.json").write_text(json.dumps(data))
    return tmp_path


def test_the_program_compares_two_results(files, repository):
    command = [sys.executable, "-m", "mmdet_vis", "compare", files / "a.json", files / "run_b", files / "val.json"]
    command += ["--img-prefix", files / "frames", "--out", files / "page.html", "--json", files / "c.json"]
    command += ["--videos", "2"]
    done = subprocess.run(list(map(str, command)), cwd=repository, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nB is better than A: AP " in done.stdout
    assert "B gains most in: clip1 (+" in done.stdout
    assert "B loses most in: clip10 (-" in done.stdout
    found = json.loads((files / "c.json").read_text())
    assert (found["verdict"], found["videos"], len(found["gains"])) == ("B", COUNT, COUNT)
    assert found["measures"]["AP"]["p"] <= 0.05
    assert found["gains"][-1]["effect"] < 0 < found["gains"][0]["effect"]
    page = check_self_contained((files / "page.html").read_text())
    assert "B is better than A: AP" in page.text
    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in page.images()]
    assert len(pictures) == 1 + 3 * 3  # the bars, and three frames of each of three videos
    truth, a, b = np.split(pictures[1][:, : 3 * WIDTH + 12].astype(int), [WIDTH + 3, 2 * WIDTH + 9], axis=1)
    at_left, at_right = (100, 60), (100, 195)  # in the object alone; in A's mask alone
    assert np.abs(truth[at_left] - 90).max() > 40
    assert np.abs(a[at_left][..., :] - 90).max() < 15 < 40 < np.abs(a[100, 195 + 3] - 90).max()
    assert np.abs(b[at_right] - 90).max() < 15


def test_the_other_way_round_a_is_better(files, capsys):
    compare.main([str(files / "run_b"), str(files / "a.json"), str(files / "val.json"), "--out", str(files / "p.html")])
    out = capsys.readouterr().out
    assert "\nA is better than B: AP " in out
    text = (files / "p.html").read_text()
    assert "There are no pictures" in text
    again = ["--out", str(files / "q.html")]
    compare.main([str(files / "run_b"), str(files / "a.json"), str(files / "val.json"), *again])
    assert (files / "q.html").read_text() == text


def test_davis_folders_with_their_pictures(tmp_path, capsys):
    root = write_davis(tmp_path / "DAVIS")
    for name in VIDEOS:
        for t in range(FRAMES):
            image = root / "JPEGImages" / "480p" / name / f"{t:05d}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), np.full((60, 80, 3), 90, np.uint8))
    good, bad = write_results(tmp_path / "good"), write_results(tmp_path / "bad")
    for t in range(FRAMES):
        path = bad / "dog" / f"{t:05d}.png"
        write_map(path, np.where(read_map(path) == 2, 0, read_map(path)).astype(np.uint8))
    out = tmp_path / "p.html"
    assert compare.main([str(bad), str(good), str(root), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "J&F-Mean" in shown
    assert "B gains most in: dog (+" in shown
    assert "with so few videos p cannot fall below 0.5" in shown
    assert len(check_self_contained(out.read_text()).images()) == 1 + 3
    (root / "JPEGImages" / "480p" / "dog" / "00000.jpg").unlink()
    with pytest.raises(UserError, match="leave the pictures out with videos=0"):
        compare.main([str(bad), str(good), str(root), "--out", str(out)])
    assert compare.main([str(bad), str(good), str(root), "--out", str(out), "--videos", "0"]) == 0


def test_bad_input_is_named_before_anything_is_written(files, tmp_path):
    val, out = str(files / "val.json"), str(tmp_path / "x.html")
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        compare.main([str(files / "a.json"), str(tmp_path / "none.json"), val, "--out", out])
    with pytest.raises(UserError, match="is not a folder: give the one that the file_names are relative to"):
        compare.main([str(files / "a.json"), str(files / "run_b"), val, "--img-prefix", "nowhere", "--out", out])
    with pytest.raises(UserError, match="it is the input"):
        compare.main([str(files / "a.json"), str(files / "run_b"), val, "--out", str(files / "a.json")])
    with pytest.raises(UserError, match="--seed must be 0 or more"):
        compare.main([str(files / "a.json"), str(files / "run_b"), val, "--seed", "-1"])
    assert not Path(out).exists()


def test_frames_that_are_shown_lie_apart():
    assert choose_frames(np.array([0, 9, 8, 7, 0, 0, 0, 5, 0, 0, 0, 3.0])) == [1, 3, 7]
    assert choose_frames(np.zeros(2)) == [0, 1]


def test_eval_shows_and_writes_intervals(files, capsys):
    out = files / "m.json"
    evaluation.main([str(files / "run_b"), str(files / "val.json"), "--out", str(out)])
    shown = capsys.readouterr().out
    assert "95 % intervals (bootstrap over 10 videos, 1000 resamples)" in shown
    written = json.loads(out.read_text())
    low, high = written["intervals"]["AP"]
    assert 0 <= low < written["AP"] < high <= 1
    assert written["intervals"]["videos"] == COUNT
    assert {"AP50", "HOTA", "IDF1"} < set(written["intervals"])
    assert written["tracking_category_mean"]["HOTA"] == pytest.approx(written["tracking"]["HOTA"])
    evaluation.main([str(files / "run_b"), str(files / "val.json"), "--no-intervals", "--no-tracking"])
    assert "intervals" not in capsys.readouterr().out
