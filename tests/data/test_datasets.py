"""Datasets from real annotation files and frames on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmdet_vis.config.load import build_dataset, load_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.datasets import DAVISDataset, YTVISDataset
from mmdet_vis.data.datasets.ytvis import of_categories
from mmdet_vis.errors import ConfigError, DatasetError, SourceError
from mmdet_vis.registry import DATASETS
from mmdet_vis.structures import encode_masks

SIZE = (12, 20)  # height, width
EMPTY_720P = encode_masks(np.zeros((1, 720, 1280), np.uint8))[0]["counts"]


def write_frame(path: Path, value: int = 0, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def ytvis(folder: Path, **changes: Any) -> Path:
    """A dataset of two videos with 3 and 2 frames below `folder`; returns its annotation file."""
    videos = []
    for number, (name, length) in enumerate([("b_video", 3), ("a_video", 2)]):
        files = [f"{name}/{5 * frame:05d}.png" for frame in range(length)]
        for frame, file in enumerate(files):
            write_frame(folder / "frames" / file, 100 * number + 10 * frame)
        videos.append({"id": 7 + number, "height": 12, "width": 20, "length": length, "file_names": files})
    content = {"videos": videos, "categories": [{"id": 4, "name": "Giant panda"}, {"id": 2, "name": "cat"}]}
    path = folder / "valid.json"
    path.write_text(json.dumps(content | changes))
    return path


def davis(folder: Path, names: list[str], listed: list[str] | None = None) -> Path:
    root = folder / "DAVIS"
    for number, name in enumerate(names):
        for frame in range(2):
            write_frame(root / "JPEGImages/480p" / name / f"{frame:05d}.jpg", 40 * number)
    lists = root / "ImageSets/2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(listed or names) + "\n")
    return root


def test_ytvis_takes_ids_order_and_frames_from_the_file(tmp_path: Path) -> None:
    ytvis(tmp_path)
    dataset = YTVISDataset("valid.json", "frames", data_root=tmp_path)
    assert dataset.name == "valid"
    assert dataset.ann_file == tmp_path / "valid.json"
    assert (dataset.categories, dataset.category_ids) == (("Giant panda", "cat"), (4, 2))
    assert [(video.id, video.name, len(video)) for video in dataset.videos] == [(7, "b_video", 3), (8, "a_video", 2)]
    with dataset.open(1) as source:
        assert (source.name, source.height, source.width) == ("a_video", 12, 20)
        assert source.frame_names == ["00000", "00005"]
        assert [int(frame[0, 0, 0]) for frame in source.read(0, 2)] == [100, 110]
    with pytest.raises(IndexError):
        dataset.open(2)


def test_frames_come_in_the_order_of_the_annotations_not_of_their_names(tmp_path: Path) -> None:
    path = ytvis(tmp_path)
    content = json.loads(path.read_text())
    content["videos"][0]["file_names"].reverse()
    path.write_text(json.dumps(content))
    source = YTVISDataset(path, tmp_path / "frames").open(0)
    assert [int(frame[0, 0, 0]) for frame in source.read(0, 3)] == [20, 10, 0]


def test_categories_are_found_by_name_in_the_order_of_the_config(tmp_path: Path) -> None:
    path = ytvis(tmp_path)
    dataset = YTVISDataset(path, tmp_path / "frames", ["Cat", "giant_panda"])
    assert dataset.categories == ("Cat", "giant_panda")
    assert dataset.category_ids == (2, 4)


def test_a_file_may_have_a_subset_of_the_categories(tmp_path: Path) -> None:
    dataset = YTVISDataset(ytvis(tmp_path), tmp_path / "frames", ["dog", "Cat", "bird", "giant_panda"])
    assert dataset.categories == ("dog", "Cat", "bird", "giant_panda")
    assert dataset.category_ids == (None, 2, None, 4)


def test_example_of_a_users_dataset(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config and the annotation file that data/README.md shows, but for the mask that it leaves out."""
    readme = (repository / "data/README.md").read_text()
    config, annotations = (
        re.search(rf"```{kind}\n(.*?)```", readme, re.DOTALL).group(1)  # type: ignore[union-attr]
        for kind in ("python", "json")
    )
    content = json.loads(annotations.replace('"counts": "..."', f'"counts": "{EMPTY_720P}"'))
    for file in content["videos"][0]["file_names"]:
        write_frame(tmp_path / "data/my_videos" / file, size=(720, 1280))
    (tmp_path / "data/my_videos.json").write_text(json.dumps(content))
    (tmp_path / "configs").symlink_to(repository / "configs")
    (tmp_path / "my_dataset.py").write_text(config.replace('"./SeqMaskRCNN', '"./configs/SeqMaskRCNN'))
    monkeypatch.chdir(tmp_path)
    dataset = build_dataset(load_config(tmp_path / "my_dataset.py"))
    assert [number for number in dataset.category_ids if number is not None] == [1]
    assert dataset.categories[dataset.category_ids.index(1)] == "cat"
    with dataset.open(0) as source:
        assert (len(source), source.height, source.width) == (2, 720, 1280)


def test_categories_that_are_not_wanted_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = ytvis(tmp_path)
    dataset = YTVISDataset(path, tmp_path / "frames", ["cat", "dog"])
    assert (dataset.categories, dataset.category_ids) == (("cat", "dog"), (2, None))
    assert "left out 1 categories that the config does not have, with 0 objects (none)" in caplog.text
    content = json.loads(path.read_text())
    panda = next(entry["id"] for entry in content["categories"] if entry["id"] != 2)
    content["annotations"] = [{"category_id": panda}, {"category_id": 2}]
    path.write_text(json.dumps(content))
    YTVISDataset(path, tmp_path / "frames", ["cat", "dog"])
    assert "with 1 objects (Giant panda: 1)" in caplog.text
    with pytest.raises(DatasetError, match=r"valid\.json.*it has Giant panda; .*\(now cat, dog\)"):
        YTVISDataset(path, tmp_path / "frames", ["cat", "dog"], other_categories="error")
    kept = of_categories(content, dataset.category_ids)
    assert [entry["id"] for entry in kept["categories"]] == [2]
    assert kept["annotations"] == [{"category_id": 2}]


def test_a_file_without_any_of_the_categories_is_refused(tmp_path: Path) -> None:
    path = ytvis(tmp_path)
    with pytest.raises(DatasetError, match=r"it has Giant panda, cat; .*person, giant_seal, .* \.\.\.\)"):
        YTVISDataset(path, tmp_path / "frames", ["person", "giant_seal", "a", "b", "c", "d"])
    with pytest.raises(ConfigError, match="youtube_vis_2019"):
        YTVISDataset(path, tmp_path / "frames", "ytvis")


def test_a_class_agnostic_file_may_call_its_category_anything(tmp_path: Path) -> None:
    path = ytvis(tmp_path, categories=[{"id": 9, "name": "foreground"}])
    dataset = YTVISDataset(path, tmp_path / "frames", "davis_uvos")
    assert (dataset.categories, dataset.category_ids) == (("object",), (9,))


def test_a_link_to_the_frames_and_null_annotations_do(tmp_path: Path) -> None:
    path = ytvis(tmp_path, annotations=None)
    (tmp_path / "valset").symlink_to(tmp_path / "frames")
    assert len(YTVISDataset(path, tmp_path / "valset").open(0)) == 3


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("videos"), "no list 'videos'"),
        (lambda c: c["videos"][1].pop("file_names"), "video 1 has no list 'file_names'"),
        (lambda c: c["videos"][1].update(file_names=["a\0b", "c"]), "video 1 has no list 'file_names'"),
        (lambda c: c["videos"][1].update(file_names=["\ud800", "c"]), "video 1 has no list 'file_names'"),
        (lambda c: c["videos"][0].update(length=4), "video 0 has length 4 but 3 file_names"),
        (lambda c: c["videos"][0].update(id=8), "two videos have id 8"),
        (lambda c: c["videos"][0].update(height=0), "video 0 has height 0"),
        (lambda c: c["categories"][0].pop("id"), "category 0 has id None, not a whole number"),
    ],
)
def test_a_broken_file_is_named_with_the_entry(tmp_path: Path, edit: Any, message: str) -> None:
    path = ytvis(tmp_path)
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=message) as error:
        YTVISDataset(path, tmp_path / "frames")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    path = ytvis(tmp_path)
    with pytest.raises(DatasetError, match=r"none\.json does not exist"):
        YTVISDataset("none.json", "frames", data_root=tmp_path)
    with pytest.raises(DatasetError, match="nowhere is not a folder"):
        YTVISDataset(path, tmp_path / "nowhere")


def test_a_bad_video_fails_only_when_it_is_opened(tmp_path: Path) -> None:
    path = ytvis(tmp_path)
    (tmp_path / "frames/b_video/00005.png").unlink()
    for frame in range(2):
        write_frame(tmp_path / f"frames/a_video/{5 * frame:05d}.png", size=(10, 20))
    dataset = YTVISDataset(path, tmp_path / "frames")
    with pytest.raises(SourceError, match=r"b_video/00005\.png"):
        dataset.open(0)
    with pytest.raises(SourceError, match=r"a_video/00000\.png: is 20x10, .*valid\.json says 20x12"):
        dataset.open(1)


def test_names_are_unique_and_usable_as_file_names(tmp_path: Path) -> None:
    files = [["x/y/0.png", "x/y/1.png"], ["x_y/0.png", "x_y/1.png"], ["still.png"], ["./up/0.png"], ["0.png", "1.png"]]
    videos = [
        {"id": n, "height": 12, "width": 20, "length": len(names), "file_names": names} for n, names in enumerate(files)
    ]
    path = ytvis(tmp_path, videos=videos)
    names = [video.name for video in YTVISDataset(path, tmp_path / "frames").videos]
    assert names == ["x_y_0", "x_y_1", "still", "up", "4"]


@pytest.mark.parametrize("link", ["DAVIS", "DAVIS/JPEGImages/480p"])
def test_davis_from_its_folders(tmp_path: Path, link: str) -> None:
    davis(tmp_path, ["bear", "dog"], listed=["dog", "bear"])
    (tmp_path / "trainvalset_davis").symlink_to(tmp_path / link)
    dataset = DAVISDataset("trainvalset_davis", data_root=tmp_path)
    assert [(video.id, video.name, video.height, video.width) for video in dataset.videos] == [
        (1, "dog", 12, 20),
        (2, "bear", 12, 20),
    ]
    assert (dataset.categories, dataset.category_ids, dataset.ann_file) == (("object",), (1,), None)
    assert (dataset.root / "ImageSets/2017" / f"{dataset.set_name}.txt").is_file()
    source = dataset.open(0)
    assert source.frame_names == ["00000", "00001"]
    assert int(source.read(1, 2)[0][0, 0, 0]) == 40


def test_davis_test_sets_are_those_of_2019(tmp_path: Path) -> None:
    root = davis(tmp_path, ["bear", "dog"])
    (root / "ImageSets/2017/test-dev.txt").write_text("bear")  # The semi-supervised track's.
    (root / "ImageSets/2019").mkdir()
    (root / "ImageSets/2019/test-dev.txt").write_text("dog")
    assert [video.name for video in DAVISDataset(root, "test-dev").videos] == ["dog"]
    assert [video.name for video in DAVISDataset(root, "test-dev", 2017).videos] == ["bear"]


def test_davis_says_what_is_missing(tmp_path: Path) -> None:
    root = davis(tmp_path, ["bear"], listed=["bear", "dog"])
    with pytest.raises(DatasetError, match="480p/dog does not exist"):
        DAVISDataset(root)
    with pytest.raises(DatasetError, match=r"2019/test-dev\.txt cannot be read.*there is ImageSets/2017/val\.txt"):
        DAVISDataset(root, "test-dev", 2019)
    with pytest.raises(DatasetError, match="has no ImageSets"):
        DAVISDataset(tmp_path)


def test_davis_with_a_broken_first_frame_fails_only_for_that_video(tmp_path: Path) -> None:
    root = davis(tmp_path, ["bear", "dog"])
    (root / "JPEGImages/480p/bear/00000.jpg").write_bytes(b"")
    dataset = DAVISDataset(root)
    with pytest.raises(SourceError, match=r"bear/00000\.jpg: is empty"):
        dataset.open(0)
    assert len(dataset.open(1)) == 2


def test_the_configs_name_the_layout_of_the_data_folder(repository: Path, tmp_path: Path) -> None:
    """Every dataset config builds on a data folder laid out as data/README.md says."""
    readme = (repository / "data/README.md").read_text()
    davis(tmp_path, ["bear"])
    for file in sorted((repository / "configs/_base_/datasets").glob("*.py")):
        config = Config.fromfile(str(file))
        settings = dict(config.test.dataset, data_root=str(tmp_path))
        if settings["type"] == "DAVISDataset":
            settings["root"] = "DAVIS"
            assert config.test.dataset.root in readme
        else:
            names = resolve_categories(config.categories)
            assert settings["categories"] == config.categories
            assert settings["ann_file"] in readme
            assert settings["img_prefix"] in readme
            path = ytvis(tmp_path, categories=[{"id": n, "name": name} for n, name in enumerate(reversed(names))])
            settings.update(ann_file=path.name, img_prefix="frames")
        dataset = DATASETS.build(settings)
        assert len(dataset) in (1, 2)
        assert dataset.category_ids == (1,) or dataset.category_ids == tuple(reversed(range(len(dataset.categories))))
