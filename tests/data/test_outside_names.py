"""Annotation files that name files outside their image folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.clips import StillClips, YTVISClips
from mmdet_vis.data.converters import ReadOptions, convert
from mmdet_vis.data.datasets import DAVISDataset, YTVISDataset, find_videos
from mmdet_vis.data.formats.cvat_masks import CLASSES, OBJECTS, read_cvat_masks
from mmdet_vis.data.formats.mots_txt import read_mots_txt
from mmdet_vis.data.formats.number_pngs import encode_png
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.data.sources import find_inputs, is_inside, natural_key, open_source
from mmdet_vis.errors import DatasetError, UserError
from mmdet_vis.structures import encode_masks
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


LONG = "a" * 300
"""No system has files of such a name; asked for one, it does not say that there is none, but that it is too long."""


@pytest.mark.parametrize("name", [f"{LONG}.png", f"video0/{LONG}.png", f"{LONG}/0.png"])
@pytest.mark.parametrize("kind", ["coco", "ytvis"])
def test_frames_with_names_that_no_file_has_are_missing(tmp_path: Path, name: str, kind: str) -> None:
    frames = write_ytvis(tmp_path, "valid.json", "frames", {1: 2}) / "frames"
    item = {"id": 1, "image_id": 1, "video_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    entry = {"id": 1, "height": 9, "width": 9, "file_name": name, "file_names": [name]}
    content = {"categories": [{"id": 1, "name": "cat"}], "annotations": [{**item, "segmentations": [None]}]}
    content["images" if kind == "coco" else "videos"] = [entry]
    (tmp_path / "long.json").write_text(json.dumps(content))
    lines: list[str] = []
    convert(tmp_path / "long.json", tmp_path / "out.json", options=ReadOptions(images=frames), say=lines.append)
    assert any(f"1 frames that are not in {frames}" in line for line in lines)


@pytest.mark.parametrize("door", [open_source, find_inputs, find_videos, open_annotations, check_ytvis, DAVISDataset])
def test_paths_that_are_too_long_are_not_there(tmp_path: Path, door: Any) -> None:
    with pytest.raises(UserError, match=r"does not exist|no such file or folder|is not a folder"):
        door(tmp_path / LONG)


def test_numbers_of_more_digits_than_python_reads(tmp_path: Path) -> None:
    """In names of frames, in a list of lengths, and in one of colours."""
    many = "1" * 5000
    names = [f"{many}2.png", "9.png", f"{many}1.png", f"00{many}3.png"]
    assert sorted(names, key=natural_key) == [names[1], names[2], names[0], names[3]]
    (tmp_path / "a.txt").write_text(f"1 2001 2 60 60 {encode_masks(np.tri(60, dtype=np.uint8)[None])[0]['counts']}\n")
    (tmp_path / "val.seqmap").write_text(f"a empty {many} 000005\na empty 000000 {many}\n")
    assert [len(video) for video in read_mots_txt(tmp_path).videos] == [1]
    for folder in (OBJECTS, CLASSES):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.png").write_bytes(encode_png(np.full((8, 8, 3), 128, np.uint8)))
    (tmp_path / "labelmap.txt").write_text(f"a:{many},1,2::\nb:128,128,128::\n")
    assert [track.category for track in read_cvat_masks(tmp_path).videos[0].tracks] == ["b"]
