"""Annotation files that name files outside their image folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.clips import StillClips, YTVISClips
from mmdet_vis.data.datasets import DAVISDataset, YTVISDataset
from mmdet_vis.data.sources import is_inside
from mmdet_vis.errors import DatasetError
from tests.tiny_dataset import write_davis, write_ytvis

OUTSIDE = ("../secret.png", "/etc/passwd", "video0/../../secret.png", "a/..", "", ".", "a\0b", "\ud800", None, 3)


def test_is_inside() -> None:
    assert not any(map(is_inside, OUTSIDE))
    assert all(map(is_inside, ("a.png", "a/b.png", "./a.png", "..a", "a..b/c", "ü.png", "a b", "a\\b")))


@pytest.mark.parametrize("name", OUTSIDE)
def test_frames_elsewhere_are_refused(tmp_path: Path, name: object) -> None:
    root = write_ytvis(tmp_path, "valid.json", "frames", {1: 2})
    content = json.loads((root / "valid.json").read_text())
    content["videos"][0]["file_names"][1] = name
    (root / "valid.json").write_text(json.dumps(content))
    for dataset in (YTVISDataset, YTVISClips):
        with pytest.raises(
            DatasetError,
            match=r"valid.json: video .* (among its file_names, which is no path below|has no list 'file_names')",
        ):
            dataset("valid.json", "frames", data_root=root)
    report = check_ytvis(root / "valid.json", root / "frames")
    assert re.search("which is no path below the image folder|no list 'file_names'", report.problems[0].text)


def test_stills_elsewhere_are_looked_for_below_the_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "images").mkdir()
    common = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
    content = {
        "images": [{"id": 1, "file_name": "../secret.png", "height": 9, "width": 9}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**common, "segmentation": [[1, 1, 5, 1, 5, 5]]}],
    }
    (tmp_path / "stills.json").write_text(json.dumps(content))
    stills = StillClips("stills.json", "images", data_root=tmp_path, min_pixels=1)
    assert [still.file for still in stills.stills] == [tmp_path / "images" / "secret.png"]
    assert "guessed: 1 absolute file names (or with ..)" in caplog.text


@pytest.mark.parametrize("name", ["..", "../../x", "/etc", "a\\b", "."])
def test_lists_of_davis_name_folders_only(tmp_path: Path, name: str) -> None:
    root = write_davis(tmp_path, (1,))
    (root / "ImageSets" / "2017" / "val.txt").write_text(f"video0\n{name}\n")
    with pytest.raises(DatasetError, match=r"val.txt lists .* which is not the name of a folder"):
        DAVISDataset(root)
