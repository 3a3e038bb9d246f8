"""Damaged files that once ended in a traceback, a hang or a heap of memory: each is one clear error."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from mmdet_vis.api import load_model
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.data.check.check import check_ytvis
from mmdet_vis.data.clips import StillClips, YTVISClips
from mmdet_vis.data.converters.split import split_stills
from mmdet_vis.data.datasets import DAVISDataset, YTVISDataset
from mmdet_vis.data.formats.coco_json import read_coco
from mmdet_vis.data.formats.cvat import read_cvat
from mmdet_vis.data.formats.davis_layout import davis_set
from mmdet_vis.data.formats.davis_png import read_index_png
from mmdet_vis.data.formats.index_pngs import read_index
from mmdet_vis.data.formats.labelme import read_labelme
from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.errors import CheckpointError, ConfigError, DatasetError, OutputError, ResultsError, SourceError
from mmdet_vis.evaluation.submission import check_davis_submission
from mmdet_vis.evaluation.ytvis import evaluate, load_annotations, load_results
from mmdet_vis.run.job import Job
from mmdet_vis.run.store import DatasetStore
from mmdet_vis.structures.rle import InvalidMaskError, to_rle
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.model_file import CONFIG_KEY, embedded_config, export_model
from tests.tiny_dataset import write_davis, write_ytvis
from tests.ytvis_cases import example, perfect_predictions

DIGITS = "1" + "0" * 5000


def edited(path: Path, edit: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def stills(folder: Path) -> Path:
    """A COCO file of two images; returns the file."""
    (folder / "images").mkdir(parents=True)
    for n in (1, 2):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "images" / f"{n}.png")
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 20, "width": 30} for n in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n, "bbox": [2, 2, 9, 9], "area": 81, "iscrowd": 0,
             "segmentation": [[2, 2, 11, 2, 11, 11, 2, 11]]}
            for n in (1, 2)
        ],
    }  # fmt: skip
    (folder / "stills.json").write_text(json.dumps(content))
    return folder / "stills.json"


def test_numbers_of_thousands_of_digits(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text(f'{{"a": {DIGITS}}}')
    with pytest.raises(DatasetError, match=r"file.json is not valid JSON .*digits"):
        load_annotations(tmp_path / "file.json")
    with pytest.raises(ResultsError, match=r"file.json is not valid JSON .*digits"):
        load_results(tmp_path / "file.json")


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c["annotations"][0].update(image_id=[1]),
        lambda c: c["annotations"][0].update(area=10**400),
        lambda c: c["images"][0].update(height=float("inf")),
        lambda c: c["images"][0].update(id=[1]),
        lambda c: c["categories"][0].update(id=[1]),
    ],
)
def test_stills_with_values_of_another_kind(tmp_path: Path, edit: Any) -> None:
    edited(stills(tmp_path), edit)
    with pytest.raises(DatasetError, match=r"stills.json"):
        StillClips("stills.json", "images", ["cat", "dog"], {"cat": ["cat"], "dog": ["dog"]}, data_root=tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c["images"][0].update(id=[1], exhaustive=False),
        lambda c: c["annotations"][0].update(image_id=[1]),
        lambda c: c["categories"][0].update(id={}),
    ],
)
def test_stills_to_split_with_values_of_another_kind(tmp_path: Path, edit: Any) -> None:
    file = stills(tmp_path)
    edited(file, edit)
    with pytest.raises(DatasetError, match=r"stills.json"):
        split_stills(file, 1, ["cat", "dog"], {"cat": ["cat"], "dog": ["dog"]})


def test_tracks_with_values_of_another_kind(tmp_path: Path) -> None:
    file = write_ytvis(tmp_path, "valid.json", "frames", {1: 2}) / "valid.json"
    original = file.read_text()
    for values in ({"video_id": [1]}, {"category_id": {}}, {"areas": [10**400, 1]}):
        file.write_text(original)
        edited(file, lambda content, values=values: content["annotations"][0].update(values))
        with pytest.raises(DatasetError, match=r"valid.json: annotation 0"):
            YTVISClips("valid.json", "frames", data_root=tmp_path)


def test_frames_larger_than_any_image(tmp_path: Path) -> None:
    edited(stills(tmp_path), lambda c: c["images"][0].update(height=2**31))
    with pytest.raises(DatasetError, match=r"stills.json: image 0 is said to be 30x2147483648, more than 134217728"):
        read_coco(tmp_path / "stills.json")
    root = write_ytvis(tmp_path / "videos", "v.json", "frames", {1: 1})
    edited(root / "v.json", lambda c: c["videos"][0].update(width=10**12))
    with pytest.raises(DatasetError, match=r"v.json: video 0 is said to be 1000000000000x64, more than"):
        YTVISDataset("v.json", "frames", data_root=root)
    assert "is said to be 1000000000000x64" in check_ytvis(root / "v.json", root / "frames").problems[0].text
    (tmp_path / "cvat").mkdir()
    size = "<original_size><width>99999999999</width><height>24</height></original_size>"
    (tmp_path / "cvat" / "annotations.xml").write_text(
        f"<annotations><meta><task><size>1</size>{size}</task></meta></annotations>"
    )
    with pytest.raises(DatasetError, match=r"annotations.xml: original_size is said to be 99999999999x24"):
        read_cvat(tmp_path / "cvat")
    (tmp_path / "labelme").mkdir()
    content = {"imagePath": "a.png", "imageHeight": 10**9, "imageWidth": 10**9, "shapes": []}
    (tmp_path / "labelme" / "a.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"the image of .*a.json is said to be 1000000000x1000000000"):
        read_labelme(tmp_path / "labelme")


def test_polygons_far_outside_the_frame() -> None:
    """pycocotools walks along the outline: the time and memory of a frame as large as the coordinates."""
    for value in (1e9, -1e300, 10**400, float("nan")):
        with pytest.raises(InvalidMaskError, match="has a polygon with points that are not finite, or far outside"):
            to_rle([[0, 0, value, 0, 5, 5]], 24, 32)
    content = example()
    content["annotations"][0]["segmentations"][0] = [[0, 0, 1e9, 0, 5, 5]]
    with pytest.raises(DatasetError, match=r"annotation 0 has a mask for frame 0 that has a polygon"):
        evaluate(perfect_predictions(example()), content)


def test_areas_beyond_every_number() -> None:
    content = example()
    content["annotations"][0]["areas"] = [10**400, 1, 1]
    with pytest.raises(DatasetError, match=r"annotation 0 has areas that are not numbers of pixels"):
        evaluate([], content)


def test_boxes_of_masks_without_a_size(tmp_path: Path) -> None:
    root = write_ytvis(tmp_path, "valid.json", "frames", {1: 2})

    def edit(content: Any) -> None:
        content["annotations"][0]["segmentations"][0] = {"size": None, "counts": "0"}
        content["annotations"][0]["bboxes"][0] = None

    edited(root / "valid.json", edit)
    kinds = {problem.kind for problem in check_ytvis(root / "valid.json", root / "frames").problems}
    assert "bad masks" in kinds


# Names that no file can have, and files that are none.


def test_pipes_and_devices_in_place_of_files(tmp_path: Path) -> None:
    """A pipe without a writer would never end, and /dev/zero give without end."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.pth")
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(SourceError, match=f"{name}: is not a file"):
            ImageFilesSource([tmp_path / name], "x")
        with pytest.raises(DatasetError, match=f"{name} is not a file"):
            read_index_png(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"pipe.pth is not a file"):
        read_state_dict(tmp_path / "pipe.pth")
    (tmp_path / "labelme").mkdir()
    os.mkfifo(tmp_path / "labelme" / "a.json")
    with pytest.raises(DatasetError, match=r"a.json is not a file"):
        read_labelme(tmp_path / "labelme")
    root = write_davis(tmp_path / "DAVIS", (1,))
    results = tmp_path / "results" / "video0"
    results.mkdir(parents=True)
    (results / "00000.png").symlink_to("/proc/self/mem")
    with pytest.raises(ResultsError, match=r"cannot read .*00000.png"):
        check_davis_submission(tmp_path / "results", root)
    (root / "ImageSets" / "2019").mkdir()
    os.mkfifo(root / "ImageSets" / "2019" / "pipe.txt")
    with pytest.raises(DatasetError, match=r"pipe.txt cannot be read"):
        davis_set(root, "pipe", 2019)
    (root / "JPEGImages" / "480p" / "video0" / "00000.jpg").unlink()
    os.mkfifo(root / "JPEGImages" / "480p" / "video0" / "00000.jpg")
    (root / "Annotations_unsupervised").rename(tmp_path / "away")
    with pytest.raises(DatasetError, match="has neither"):
        check_davis_submission(tmp_path / "results", root)


def test_names_longer_than_names_can_be(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot be read .File name too long"):
        ImageFilesSource([tmp_path / ("x" * 300 + ".png")], "x")
    root = write_davis(tmp_path, (1,))
    (root / "ImageSets" / "2017" / "val.txt").write_text("x" * 300)
    with pytest.raises(DatasetError, match=r"which is not the name of a folder"):
        DAVISDataset(root)


# Images and weights.


def test_pngs_of_other_kinds_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(tmp_path / "colour.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decoded"))
    with pytest.raises(DatasetError, match=r"colour.png holds RGBA pixels"):
        read_index_png(tmp_path / "colour.png")
    (tmp_path / "all" / "x").mkdir(parents=True)
    (tmp_path / "colour.png").rename(tmp_path / "all" / "x" / "0.png")
    with pytest.raises(DatasetError, match=r"holds RGBA pixels"):
        read_index(tmp_path / "all")


def test_a_pickle_that_ends_in_the_length_of_a_string(tmp_path: Path) -> None:
    data = pickle.dumps({"a": "b"}, protocol=2)
    place = data.index(b"X") + 2
    with zipfile.ZipFile(tmp_path / "cut.pth", "w") as archive:
        archive.writestr("archive/data.pkl", data[:place])
        archive.writestr("archive/version", "3\n")
    with pytest.raises(CheckpointError, match=r"cut.pth is damaged"):
        read_state_dict(tmp_path / "cut.pth")


LOAD = """
import resource, sys
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.errors import run_command
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, size + 2**30))
run_command(lambda: read_state_dict(sys.argv[1]))
"""


def test_a_string_longer_than_memory(tmp_path: Path) -> None:
    """The length in the file, 4 GB, would be taken before it shows that the file is shorter."""
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
    (tmp_path / "long.pth").write_bytes(b"".join(parts) + b"\x80\x02X\xff\xff\xff\xffabc")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "long.pth")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert re.search(r"^error: checkpoint .*long.pth asks for more memory than there is", done.stderr, re.MULTILINE)


def test_a_model_file_smaller_than_its_model(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    export_model(load_config(tiny[0]), tiny[1], tmp_path / "model.safetensors")
    content = json.loads(embedded_config(tmp_path / "model.safetensors").text)
    content["model"]["bbox_head"]["fc_channels"] = 60_000  # 3 GB of weights
    path = tmp_path / "small.safetensors"
    path.write_bytes(save({"x": torch.zeros(1)}, {CONFIG_KEY: json.dumps(content)}))
    with pytest.raises(CheckpointError, match=r"small.safetensors has \d+ bytes, but its config describes \w+"):
        load_model(None, path, "cpu")


def test_errors_of_configs_name_the_file_and_stay_short(tiny: tuple[Path, Path]) -> None:
    for options in (
        {"model.backbone.model_name": "resnet10x"},
        {"model.neck.out_channels": 2**70},
        {"model.test_cfg.rcnn.score_thr": "x" * 5000},
        {"data_preprocessor": "x" * 5000},
    ):
        with pytest.raises(ConfigError, match=r"tiny.py") as caught:
            build_model(load_config(tiny[0], options))
        assert len(str(caught.value)) < 600
        assert "\n" not in str(caught.value)


def test_values_of_any_length_in_errors(tmp_path: Path) -> None:
    root = write_ytvis(tmp_path, "valid.json", "frames", {1: 1})
    edited(root / "valid.json", lambda c: c["categories"][0].update(name="x" * 5000))
    with pytest.raises(
        DatasetError, match=r"valid.json: its categories are not .* \.\.\. .*set its 'categories'"
    ) as caught:
        YTVISDataset("valid.json", "frames", ["a", "b", "c"], data_root=root)
    assert len(str(caught.value)) < 1300


def test_results_of_a_run_that_were_damaged_afterwards(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for text in ('[{"score": 0.5, ]\n', "[[]]\n", "\x93]\n"):
        (tmp_path / "videos" / "7.json").write_text(text, encoding="latin-1")
        store = DatasetStore(tmp_path, [Job(7, "video", lambda: ImageFilesSource([], ""), {})])
        assert store.done() == {7}
        with pytest.raises(OutputError, match=r"7.json .*; remove it and run again with resume=True"):
            list(store.entries())
