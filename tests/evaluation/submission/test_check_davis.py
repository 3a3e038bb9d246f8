"""DAVIS submissions: the zip that is written, and what the check finds in others."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.errors import DatasetError, OutputError, ResultsError
from mmdet_vis.evaluation.submission import check_davis_submission, write_davis_zip
from tests.davis_cases import FRAMES, HEIGHT, VIDEOS, WIDTH, write_davis, write_map, write_results


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "DAVIS")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / "results")


def test_what_is_written_is_fine(tmp_path: Path, root: Path, results: Path) -> None:
    write_davis_zip(tmp_path / "out.zip", results)
    names = zipfile.ZipFile(tmp_path / "out.zip").namelist()
    assert names == [f"{video}/{t:05d}.png" for video in VIDEOS for t in range(FRAMES)]
    for path in (results, tmp_path / "out.zip"):
        report = check_davis_submission(path, root)
        assert report.problems == []
        assert report.text() == f"no problems in {path} (12 frames of 2 videos of val)"


def test_the_same_results_give_the_same_bytes(tmp_path: Path, results: Path) -> None:
    write_davis_zip(tmp_path / "a.zip", results)
    for path in results.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    shutil.copytree(results, tmp_path / "copy")
    write_davis_zip(tmp_path / "b.zip", tmp_path / "copy")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(OutputError, match="holds no <video>/<frame>"):
        write_davis_zip(tmp_path / "c.zip", results / "dog")


def test_frames_of_a_set_without_annotations_come_from_the_images(tmp_path: Path, root: Path, results: Path) -> None:
    shutil.rmtree(root / "Annotations_unsupervised")
    with pytest.raises(DatasetError, match=r"has neither .*JPEGImages"):
        check_davis_submission(results, root)
    for video in VIDEOS:
        folder = root / "JPEGImages" / "480p" / video
        folder.mkdir(parents=True)
        for t in range(FRAMES + 1):
            Image.new("RGB", (WIDTH, HEIGHT)).save(folder / f"{t:05d}.jpg")
    expected = [f"{video}/{FRAMES:05d}.png is missing" for video in VIDEOS]
    assert check_davis_submission(results, root).problems == expected


def test_bad_frames(tmp_path: Path, root: Path, results: Path) -> None:
    write_map(results / "car" / "00001.png", np.zeros((HEIGHT, WIDTH + 4), np.uint8))
    write_map(results / "car" / "00002.png", np.full((HEIGHT, WIDTH), 23, np.uint8))
    Image.new("RGB", (WIDTH, HEIGHT)).save(results / "car" / "00003.png")
    Image.new("L", (WIDTH, HEIGHT)).save(results / "car" / "00004.png")
    (results / "dog" / "00000.png").write_bytes(b"no PNG")
    (results / "dog" / "00001.png").unlink()
    (results / "dog" / "00002.png").write_bytes((results / "dog" / "00003.png").read_bytes()[:-30])
    write_davis_zip(tmp_path / "out.zip", results)
    for path in (results, tmp_path / "out.zip"):
        problems = check_davis_submission(path, root).problems
        assert problems[0] == "car/00001.png has 84x60 pixels, the video 80x60"
        assert problems[1] == "car/00002.png has object number 23: at most 20 objects per video are allowed"
        assert problems[2].startswith("car/00003.png is no palette PNG: it holds RGB pixels")
        assert problems[3].startswith("car/00004.png is no palette PNG: it holds L pixels")
        assert problems[4].startswith("dog/00000.png cannot be read as a PNG")
        assert problems[5] == "dog/00001.png is missing"
        assert problems[6].startswith("dog/00002.png cannot be read as a PNG")
        assert len(problems) == 7


def test_missing_and_misplaced_videos(tmp_path: Path, root: Path, results: Path) -> None:
    shutil.copytree(results, tmp_path / "upload" / "inner")
    report = check_davis_submission(tmp_path / "upload", root)
    assert report.problems == [
        "there are no frames of any of the 2 videos: they are in a folder, as inner/car/00000.png; "
        "put the videos' folders at the top level"
    ]
    shutil.rmtree(results / "dog")
    assert check_davis_submission(results, root).problems == ["video dog is missing (6 frames)"]


def test_unsafe_and_unreadable_zips(tmp_path: Path, root: Path, results: Path) -> None:
    path = tmp_path / "out.zip"
    write_davis_zip(path, results)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside.png", b"")
        archive.writestr("/absolute.png", b"")
    problems = check_davis_submission(path, root).problems
    assert [problem.split(" ")[0] for problem in problems] == ["'../../outside.png'", "'/absolute.png'"]
    path.write_bytes(b"no zip")
    with pytest.raises(ResultsError, match=r"cannot read .*out\.zip as a zip"):
        check_davis_submission(path, root)
    with pytest.raises(ResultsError, match="does not exist"):
        check_davis_submission(tmp_path / "missing.zip", root)
