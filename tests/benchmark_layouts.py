"""A repository as a user has it: scripts, checkpoints under their names, tiny data laid out as data/README.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.data.categories import CATEGORIES
from tests.tiny import moving_frames
from tests.tiny_dataset import HEIGHT, WIDTH, write_davis

# The published rows: folder, network, checkpoint, config, key frames, category-aware reduction.
ROWS = [
    *[("YTV2019", bb, "ytv19", "youtubevis19", 5, ca) for bb in ("r50", "r101", "x101") for ca in (False, True)],
    *[("YTV2021", bb, "ytv21", "youtubevis21", 5, ca) for bb in ("r50", "x101") for ca in (False, True)],
    *[("DAVIS", bb, "davis", "davisuvos", 8, False) for bb in ("r101", "x101")],
]
# As in the benchmarks: folders of ids that mean nothing, frames of which every fifth is annotated.
VIDEOS = {"0043f083b5": 3, "00f88c4f0a": 2}
TINY = {
    "model.backbone": {"_delete_": True, "type": "TimmBackbone", "model_name": "resnet10t"},
    "model.neck.out_channels": 16,
    "model.rpn_head.feat_channels": 16,
    "model.bbox_head.fc_channels": 32,
    "model.mask_head.conv_channels": 16,
    "model.prop_head.channels": 16,
    "model.prop_head.key_channels": 8,
    "model.prop_head.fuse_channels": 16,
    "model.test_cfg.rcnn.max_per_img": 3,
    "data_preprocessor.img_scale": (96, 64),
}
"""Options that make any published network small enough for fast tests."""


def script_of(folder: str, backbone: str, category_aware: bool) -> str:
    """Path of a row's script in the repository."""
    return f"scripts/{folder}/{'CateAwareReduce/' if category_aware else ''}eval_vis_{backbone}.sh"


def as_arguments(options: dict[str, Any]) -> list[str]:
    """Options as ``--cfg-options``."""
    return ["--cfg-options", *(f"{key}={value}" for key, value in options.items())] if options else []


def write_pth(config: Path, options: dict[str, Any], path: Path) -> Path:
    """Write a ``.pth`` with random weights that find something with the published thresholds."""
    torch.manual_seed(1)
    model = build_model(load_config(config, options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("backbone") and name.endswith("bn3.weight"):
                parameter.mul_(0.2)  # No statistics have been learned that keep the sums of a deep network small.
            # Initial weights of heads are made for training: nearly constant outputs. Spread them out.
            if parameter.ndim > 1 and not name.startswith("backbone"):
                torch.nn.init.kaiming_normal_(parameter)
        model.rpn_head.rpn_reg.weight.mul_(0.1)
        model.bbox_head.fc_cls.weight.mul_(3)
        model.bbox_head.fc_cls.bias[0] -= 3  # less background
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"meta": {}, "state_dict": model.state_dict()}, path)
    return path


def write_youtube_vis(folder: Path, data: Path, year: int) -> None:
    """Unpack a validation set of YouTube-VIS into ``folder``, and link to it from ``data``; it has no annotations."""
    short = f"ytv{year % 100}"
    for number, (video, length) in enumerate(VIDEOS.items()):
        images = folder / "valid" / "JPEGImages" / video
        images.mkdir(parents=True)
        for t, frame in enumerate(moving_frames(length, HEIGHT, WIDTH, number)):
            cv2.imwrite(str(images / f"{5 * t:05d}.jpg"), frame)
    videos = [
        {
            "id": number, "width": WIDTH, "height": HEIGHT, "length": length, "license": 1, "coco_url": "",
            "flickr_url": "", "date_captured": "2019-04-11 00:18:45.652544",
            "file_names": [f"{name}/{5 * t:05d}.jpg" for t in range(length)],
        }
        for number, (name, length) in enumerate(VIDEOS.items(), start=1)
    ]  # fmt: skip
    categories = [
        {"id": number, "name": name, "supercategory": "object"}
        for number, name in enumerate(CATEGORIES[f"youtube_vis_{year}"], start=1)
    ]
    file = folder / ("valid.json" if year == 2019 else "valid/instances.json")
    content = {"info": {}, "licenses": [], "videos": videos, "categories": categories, "annotations": None}
    file.write_text(json.dumps(content))
    data.mkdir(exist_ok=True)
    (data / f"valid_{short}.json").symlink_to(file)
    (data / f"valset_{short}").symlink_to(folder / "valid" / "JPEGImages")


class UserCheckout:
    """The repository in a folder of its own, by links, with ``data`` and ``pretrained`` filled as the scripts expect.

    Links, so that a script cannot touch a ``.venv`` in the repository: it takes the environment of the tests.
    """

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root = folder / "check out"
        self.root.mkdir(parents=True)
        for name in ("scripts", "tools", "mmdet_vis", "configs", "pyproject.toml", "setup.py"):
            (self.root / name).symlink_to(repository / name)
        write_youtube_vis(folder / "ytv2019", self.root / "data", 2019)
        write_youtube_vis(folder / "ytv2021", self.root / "data", 2021)
        self.davis = write_davis(folder / "DAVIS")
        (self.root / "data" / "trainvalset_davis").symlink_to(self.davis / "JPEGImages" / "480p")

    def checkpoint(self, backbone: str, name: str) -> Path:
        """Where the scripts look for a checkpoint."""
        return self.root / "pretrained" / f"seq_mask_rcnn_{backbone}_{name}.pth"

    def run(self, script: str, options: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script from another directory, on the CPU."""
        environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "OMP_WAIT_POLICY": "PASSIVE", **variables}
        command = ["sh", str(self.root / script), "--device", "cpu", *options]
        return subprocess.run(
            command, cwd=self.root.parent, env=environment, capture_output=True, text=True, timeout=600
        )
