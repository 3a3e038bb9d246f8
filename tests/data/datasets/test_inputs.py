"""What can be opened as a video: also archives of images, and the videos of annotated datasets."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import pytest

from mmdet_vis.data.datasets import find_videos, open_video
from mmdet_vis.errors import DatasetError, SourceError
from tests.annotation_cases import write_image
from tests.data.formats.test_opening import write


@pytest.mark.parametrize("name", ["ytvis", "coco", "davis", "mots", "labelme", "cvat"])
def test_the_videos_of_a_dataset_are_inputs(tmp_path: Path, name: str) -> None:
    videos = find_videos(write(tmp_path, name))
    assert {video.name.replace(" ", "_") for video in videos} == {"clip_a", "b"}
    for video in videos:
        with video.open() as source:
            assert (len(source), source.name) == (3 if "clip" in video.name else 2, video.name)
    with pytest.raises(SourceError, match=r"holds 2 videos|holds no images"):
        open_video(tmp_path / videos[0].path.parent if name == "labelme" else write(tmp_path / "again", name))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["2.png", "10.png", "notes.txt", "__MACOSX/._2.png", "Thumbs.db"], {"pictures": 2}),
        (["my frames/0.png", "my frames/1.png"], {"my frames": 2}),
        (["top/ä b/0.png", "top/c/0.PNG", "top/c/1.png"], {"ä b": 1, "c": 2}),
    ],
)
def test_a_zip_of_images(tmp_path: Path, names: list[str], expected: dict[str, int]) -> None:
    write_image(tmp_path / "0.png")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / "0.png", name)
    (tmp_path / "there").mkdir()
    videos = find_videos(tmp_path / "pictures.zip", unpack_to=tmp_path / "there")
    assert {video.name: len(video.open()) for video in videos} == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "pictures.zip", "there"]
    if len(expected) == 1:
        with open_video(tmp_path / "pictures.zip", unpack_to=tmp_path / "there") as source:
            assert len(source) == 2


def test_inputs_of_one_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = write(tmp_path, "cvat")
    with caplog.at_level(logging.INFO):
        videos = find_videos([target / "b", tmp_path / "frames" / "b", target / "b", target / "b" / "annotations.xml"])
    # What is named twice is one video; those of files come first.
    assert [(video.name, video.path) for video in videos] == [
        ("b", tmp_path / "frames" / "b"),
        ("b_2", target / "b" / "images"),
    ]


def test_what_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"x\.json is no annotation file that is known"):
        find_videos(tmp_path / "x.json")
    (tmp_path / "y.txt").write_text("a list of things")
    with pytest.raises(SourceError, match=r"y\.txt is a text file: give a video, a folder of images"):
        open_video(tmp_path / "y.txt")
    (tmp_path / "y.json").write_text('{"a": "\n"}')
    with pytest.raises(DatasetError, match=r"not valid JSON \(Invalid control character at line 1, column"):
        find_videos(tmp_path / "y.json")
    with pytest.raises(SourceError, match="no such file or folder"):
        find_videos(tmp_path / "nothing.zip")
