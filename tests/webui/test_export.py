"""Every format of the page is written, and what comes back from those that are read are the same masks and names."""

from __future__ import annotations

import io
import json
import zipfile

import av
import numpy as np
import pytest
from PIL import Image

from mmdet_vis.api import VideoResult
from mmdet_vis.data.formats.opening import read_annotations
from mmdet_vis.data.formats.registry import FORMATS
from mmdet_vis.errors import ConfigError
from mmdet_vis.structures import decode_masks
from mmdet_vis.webui.export import EXPORTS, export
from tests.webui.projects import CATEGORIES, FRAMES, HEIGHT, WIDTH, known_masks, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("projects"))


def unpacked(file, folder):
    if file.suffix != ".zip":
        return file
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder


def masks_by_name(video):
    """Frames with their masks as arrays, for comparing: those of an empty one are None."""
    found = {}
    for track in video.tracks:
        masks = np.zeros((len(video), HEIGHT, WIDTH), np.uint8)
        for t, rle in enumerate(track.masks):
            if rle is not None:
                masks[t] = decode_masks([rle])[0]
        found[track.category] = masks
    return found


@pytest.mark.parametrize(
    ("name", "frames"),
    [("ytvis", False), ("ytvis", True), ("coco", False), ("cocovid", True), ("cvat", True), ("labelme", False)],
)
def test_annotations_come_back(project, tmp_path, name, frames):
    done = export(project, name, 0.3, frames)
    try:
        place = unpacked(done.file, tmp_path)
        assert str(project.folder) not in b"".join(f.read_bytes() for f in tmp_path.rglob("*.json")).decode()
        if place == tmp_path and FORMATS[name].is_file:
            place = tmp_path / "clip.json"
        found = read_annotations(place, name)
        (video,) = found.videos
        assert len(video) == FRAMES
        if frames:
            assert len(list(tmp_path.rglob("*.jpg"))) == FRAMES
        masks = masks_by_name(video)
        assert sorted(masks) == sorted(CATEGORIES)
        for category, expected in zip(CATEGORIES, known_masks(), strict=False):
            assert np.array_equal(masks[category], expected), category
    finally:
        done.remove()
    assert not done.file.exists()


@pytest.mark.parametrize(
    "name", [name for name in EXPORTS if name not in ("ytvis", "coco", "cocovid", "cvat", "labelme")]
)
def test_every_other_format_is_written(project, name):
    done = export(project, name, 0.3, False)
    try:
        assert done.file.stat().st_size > 100
        assert done.file.suffix == EXPORTS[name].ending
        if name == "overlay":
            with av.open(str(done.file)) as video:
                assert sum(1 for _ in video.decode(video=0)) == FRAMES
        elif name == "result":
            assert [s.track_id for s in VideoResult.load(done.file).sequences] == [1, 2, 3]
        elif name == "results":
            assert {entry["category_id"] for entry in json.loads(done.file.read_text())} == {1, 2, 3}
        elif name == "pngs":
            with zipfile.ZipFile(done.file) as archive:
                assert archive.namelist() == [f"clip/{t:05d}.png" for t in range(FRAMES)]
                first = np.array(Image.open(io.BytesIO(archive.read("clip/00005.png"))))
            assert (first == 1).sum() == 400
    finally:
        done.remove()
    assert not list(project.folder.glob("export_*"))


def test_the_threshold_and_mistakes(project):
    for threshold, count in ((0.0, 4), (0.5, 2)):
        done = export(project, "result", threshold, False)
        assert len(VideoResult.load(done.file).sequences) == count
        done.remove()
    with pytest.raises(ConfigError, match=r"'\.\./x' is no format: choose one of ytvis, "):
        export(project, "../x", 0.3, False)
    assert not list(project.folder.glob("export_*"))


def test_what_a_format_lacks_is_said(project):
    done = export(project, "cvat", 0.3, False)
    done.remove()
    assert any("scores, which CVAT does not have" in note for note in done.notes)
