"""SynthVIS on disk: format, exactness, determinism, and what is left after a failure."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_vis.data.synthvis import CATEGORIES, LEVELS, make_dataset, write_contact_sheet
from mmdet_vis.data.synthvis import video as video_module
from mmdet_vis.data.synthvis.options import DatasetOptions
from mmdet_vis.data.synthvis.output import building
from mmdet_vis.errors import DatasetError, OutputError
from mmdet_vis.structures import decode_masks

W, H, T = 128, 80, 14  # of the hard dataset below
SMALL: dict[str, Any] = {"train": 2, "val": 1, "frames": 4, "width": 96, "height": 64, "difficulty": "medium"}


def digests(root: Path) -> dict[str, str]:
    """SHA-256 of every file under ``root``."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hard") / "synthvis"
    make_dataset(out, train=0, val=8, frames=T, width=W, height=H, difficulty="hard", seed=1)
    return out


@pytest.fixture(scope="module")
def content(hard: Path) -> dict[str, Any]:
    return json.loads((hard / "val" / "instances.json").read_text())


def masks_of(annotation: dict[str, Any]) -> list[np.ndarray | None]:
    return [None if s is None else coco_mask.decode(s) for s in annotation["segmentations"]]


def objects_by_video(content: dict[str, Any]) -> list[list[dict[str, Any]]]:
    key: Callable[[dict[str, Any]], int] = lambda a: a["video_id"]  # noqa: E731
    return [list(group) for _, group in itertools.groupby(content["annotations"], key)]


def test_layout_is_that_of_youtube_vis(hard: Path, content: dict[str, Any]) -> None:
    assert set(content) == {"info", "videos", "categories", "annotations"}
    assert content["categories"] == [{"id": c.id, "name": c.name} for c in CATEGORIES]
    assert [v["id"] for v in content["videos"]] == list(range(1, 9))
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    assert {p.name for p in hard.iterdir()} == {"val", "synthvis.json"}
    for video in content["videos"]:
        assert (video["width"], video["height"], video["length"]) == (W, H, T)
        assert video["file_names"] == [f"val_{video['id'] - 1:04d}/{t:05d}.jpg" for t in range(T)]
        for name in video["file_names"]:
            image = cv2.imread(str(hard / "val" / "JPEGImages" / name))
            assert image.shape == (H, W, 3)
            assert image.std() > 5


def test_annotations_are_tight_and_true(content: dict[str, Any]) -> None:
    for annotation in content["annotations"]:
        assert 1 <= annotation["category_id"] <= 8
        assert annotation["iscrowd"] == 0
        assert (annotation["width"], annotation["height"], annotation["length"]) == (W, H, T)
        assert all(len(annotation[k]) == T for k in ("segmentations", "bboxes", "areas"))
        masks = masks_of(annotation)
        assert any(m is not None for m in masks)
        for mask, box, area in zip(masks, annotation["bboxes"], annotation["areas"], strict=True):
            if mask is None:
                assert box is None
                assert area is None
                continue
            assert mask.shape == (H, W)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box == [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert area == mask.sum() > 0


def test_every_video_has_objects_and_their_masks_are_disjoint(content: dict[str, Any]) -> None:
    videos = objects_by_video(content)
    assert len(videos) == 8
    touching = 0
    for objects in videos:
        for frame in zip(*[masks_of(a) for a in objects], strict=True):
            visible = [m for m in frame if m is not None]
            if len(visible) > 1:
                assert np.sum(visible, axis=0).max() == 1
                grown = [cv2.dilate(m, np.ones((3, 3), np.uint8)) for m in visible]
                touching += bool(np.sum(grown, axis=0).max() > 1)
    assert touching > 20  # they do occlude each other


def test_objects_leave_and_come_back(content: dict[str, Any]) -> None:
    returned = 0
    for annotation in content["annotations"]:
        visible = [s is not None for s in annotation["segmentations"]]
        runs = [value for value, _ in itertools.groupby(visible)]
        if runs[:3] != [True, False, True]:
            continue
        last = annotation["bboxes"][visible.index(False) - 1]
        x, y, w, h = last
        returned += x == 0 or y == 0 or x + w == W or y + h == H
    assert returned >= 2


def test_objects_of_one_category_cross(content: dict[str, Any]) -> None:
    crossings = 0
    for objects in objects_by_video(content):
        for a, b in itertools.combinations(objects, 2):
            if a["category_id"] != b["category_id"]:
                continue
            pairs = [(p, q) for p, q in zip(a["bboxes"], b["bboxes"], strict=True) if p and q]
            near = [abs(p[0] - q[0]) < (p[2] + q[2]) / 4 and abs(p[1] - q[1]) < (p[3] + q[3]) / 4 for p, q in pairs]
            crossings += any(near) and not all(near)
    assert crossings >= 6


def test_brightness_changes(hard: Path, content: dict[str, Any]) -> None:
    spans = []
    for video in content["videos"]:
        levels = [cv2.imread(str(hard / "val" / "JPEGImages" / n)).mean() for n in video["file_names"]]
        spans.append(max(levels) / min(levels))
    assert max(spans) > 1.5


def test_same_bytes_from_any_number_of_workers(tmp_path: Path) -> None:
    make_dataset(tmp_path / "one", **SMALL)
    made = make_dataset(tmp_path / "two", workers=2, **SMALL)
    first, second = digests(tmp_path / "one"), digests(tmp_path / "two")
    assert len(first) == 3 * 4 + 3
    assert first == second
    assert made.made
    assert sum(made.objects.values()) >= 3
    make_dataset(tmp_path / "other", **{**SMALL, "seed": 1})
    other = digests(tmp_path / "other")
    assert other.keys() == first.keys()
    assert not set(other.values()) & set(first.values())


def test_a_video_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    make_dataset(tmp_path / "few", **SMALL)
    make_dataset(tmp_path / "more", **{**SMALL, "train": 3})
    few, more = digests(tmp_path / "few"), digests(tmp_path / "more")
    frames = {k for k in few if k.endswith(".jpg")}
    assert all(more[k] == few[k] for k in frames)
    split = {Path(k).name: v for k, v in few.items() if k.startswith("val/")}
    assert not set(split.values()) & {v for k, v in few.items() if k.startswith("train/")}


def test_blur_changes_images_but_no_mask(tmp_path: Path) -> None:
    level = LEVELS["hard"]
    for name, exposure in (("sharp", 0.0), ("blurred", 0.8)):
        make_dataset(tmp_path / name, **{**SMALL, "difficulty": replace(level, exposure=exposure)})
    sharp, blurred = (
        json.loads((tmp_path / name / "train" / "instances.json").read_text()) for name in ("sharp", "blurred")
    )
    assert sharp["annotations"] == blurred["annotations"]
    first = "train/JPEGImages/train_0000/00000.jpg"
    assert (tmp_path / "sharp" / first).read_bytes() != (tmp_path / "blurred" / first).read_bytes()


def test_complete_dataset_is_not_made_again_and_others_are_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "set"
    make_dataset(out, **SMALL)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert not make_dataset(out, **SMALL).made
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    with pytest.raises(OutputError, match="force=True"):
        make_dataset(out, **{**SMALL, "seed": 3})
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert make_dataset(out, force=True, **{**SMALL, "seed": 3, "val": 0}).made
    assert {p.name for p in out.iterdir()} == {"train", "synthvis.json"}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        make_dataset(out, force=True, **SMALL)
    assert (out / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_force_never_deletes_what_is_no_synthvis(tmp_path: Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="no SynthVIS dataset"):
        make_dataset(out, force=True, **SMALL)
    assert (out / "thesis.txt").exists()
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError, match="not a folder"):
        make_dataset(file, force=True, **SMALL)


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert make_dataset(tmp_path / "empty", **SMALL).made


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = video_module._write_jpeg, []

    def full_disk(path: Path, image: np.ndarray, quality: int) -> None:
        calls.append(path)
        if len(calls) > 5:
            raise OSError(28, "No space left on device", str(path))
        real(path, image, quality)

    monkeypatch.setattr(video_module, "_write_jpeg", full_disk)
    with pytest.raises(OutputError, match=r"jpg: cannot be written: No space left"):
        make_dataset(tmp_path / "set", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with building(out, DatasetOptions(**SMALL)), pytest.raises(OutputError, match="another process"):
        make_dataset(out, **SMALL)
    shutil.rmtree(out)
    assert make_dataset(out, **SMALL).made


def test_contact_sheet(hard: Path, tmp_path: Path) -> None:
    write_contact_sheet(hard / "val", tmp_path / "sheet.png", videos=3, columns=4)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * (22 + 262 + 6), 4 * (420 + 6), 3)
    frame = cv2.imread(str(hard / "val/JPEGImages/val_0000/00000.jpg"))
    shown = cv2.resize(sheet[22 : 22 + 262, :420], (W, H), interpolation=cv2.INTER_AREA)
    masks = decode_masks(json.loads((hard / "val/instances.json").read_text())["annotations"][0]["segmentations"][:1])
    differs = np.abs(shown.astype(int) - frame).max(axis=2) > 40
    assert differs[masks[0] == 1].mean() > 4 * differs.mean() / 3  # its objects are painted
    with pytest.raises(DatasetError, match=r"instances\.json"):
        write_contact_sheet(tmp_path, tmp_path / "sheet.png")
    with pytest.raises(OutputError, match="cannot write"):
        write_contact_sheet(hard / "val", tmp_path / "missing" / "sheet.png")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": -1}, "train is -1"),
        ({"train": 0, "val": 0}, "at least one video"),
        ({"frames": 1}, "at least 2"),
        ({"width": 32}, "32x64 is outside"),
        ({"height": 10_000}, "96x10000 is outside"),
        ({"quality": 0}, "quality is 0"),
        ({"seed": -3}, "seed is -3"),
        ({"frames": 2.5}, "whole number"),
        ({"difficulty": "brutal"}, "choose from easy, medium, hard"),
        ({"difficulty": replace(LEVELS["easy"], objects=(0, 2))}, "objects"),
        ({"difficulty": replace(LEVELS["easy"], blur_samples=2)}, "odd"),
        ({"difficulty": replace(LEVELS["easy"], radius=(0.3, 0.2))}, "radius"),
        ({"difficulty": replace(LEVELS["easy"], objects=(12, 12), radius=(0.5, 0.5))}, "fewer or smaller"),
        ({"colour": "red"}, "colour"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_bad_options(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        make_dataset(tmp_path / "set", **{**SMALL, "frames": 2, **wrong})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
