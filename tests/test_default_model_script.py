"""scripts/default_model/train.sh: from stills to a model file, on tiny data and from weights that are there already."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.api import load_model
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.weights.checkpoint import write_state
from tests.benchmark_layouts import UserCheckout

CONFIG = "configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills"

NAMES = ["person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bird", "cat", "dog"]
NAMES += ["horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "cup"]


def write_stills(folder: Path, number: int = 64, partial: int = 2) -> Path:
    """Images of a bright box, of changing categories; the last ones are not annotated throughout."""
    (folder / "images").mkdir(parents=True)
    content: dict = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]
    for i in range(number + partial):
        image = np.random.default_rng(i).integers(0, 60, (90, 120, 3)).astype(np.uint8)
        x, y = 10 + i % 40, 10 + i % 30
        image[y : y + 40, x : x + 50] = 220
        cv2.imwrite(str(folder / f"images/{i:03d}.jpg"), image)
        size = {"height": 90, "width": 120}
        content["images"].append({"id": i, "file_name": f"{i:03d}.jpg", **size, "exhaustive": i < number})
        polygon = [x, y, x + 50, y, x + 50, y + 40, x, y + 40]
        content["annotations"].append(
            {
                **{"id": i, "image_id": i, "category_id": 1 + i % len(NAMES) if i < number else 1, "iscrowd": 0},
                **{"bbox": [x, y, 50, 40], "area": 2000, "segmentation": [polygon]},
            }
        )
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


def test_what_is_missing_is_said_first(repository: Path, tmp_path: Path) -> None:
    checkout = UserCheckout(repository, tmp_path)
    for variables, text in (({}, "set STILLS"), ({"STILLS": str(tmp_path)}, "instances.json")):
        done = checkout.run("scripts/default_model/train.sh", [], **variables)
        assert done.returncode == 2
        assert text in done.stderr
    assert checkout.run("scripts/default_model/train.sh", ["--help"]).stdout.startswith("usage: STILLS=DIR")


@pytest.mark.slow
def test_the_whole_script(repository: Path, tmp_path: Path) -> None:
    checkout = UserCheckout(repository, tmp_path)
    (checkout.root / "pretrained").mkdir(exist_ok=True)
    # Steps 1 and 2 need a network: what they would leave is there already.
    network = build_model(load_config(repository / f"{CONFIG}.py"))
    backbone = {name: value for name, value in network.state_dict().items() if name.startswith("backbone.")}
    write_state(backbone, checkout.root / "pretrained/mobilenet_v2_coco_backbone.safetensors")
    seen = {"image_id": 64, "category_id": 20, "bbox": [80, 60, 30, 20], "score": 0.9}
    (checkout.root / "data/stills").mkdir(parents=True)
    (checkout.root / "data/stills/boxes.json").write_text(json.dumps([seen]))
    generate = ["-m", "mmdet_vis.data.synthvis", "data/SynthVIS", "--train", "2", "--val", "1", "--frames", "6"]
    subprocess.run([sys.executable, *generate], cwd=checkout.root, check=True)
    variables = {"STILLS": str(write_stills(tmp_path / "stills")), "WORK": str(tmp_path / "work")}
    short = ["train_cfg.max_iters=1", "train.num_workers=0", "train.batch_size=1"]
    for _ in range(2):  # the second time everything is there
        done = checkout.run("scripts/default_model/train.sh", ["--cfg-options", *short], **variables)
        assert done.returncode == 0, done.stderr
    model = load_model(weights=checkout.root / "pretrained/seq_mask_rcnn_mobilenetv2_stills.safetensors", device="cpu")
    assert model.categories[:2] + model.categories[-1:] == ("person", "bicycle", "other object")
    content = json.loads((checkout.root / "data/stills/train_completed.json").read_text())
    assert [entry["bbox"] for entry in content["annotations"] if entry["iscrowd"]] == [seen["bbox"]]
