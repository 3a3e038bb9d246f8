"""A network small enough for fast tests, as a config file and a checkpoint on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.weights.checkpoint import write_state

CONFIG = """
_base_ = [
    "{root}/configs/_base_/models/seq_mask_rcnn_r50_fpn.py",
    "{root}/configs/_base_/datasets/youtubevis19.py",
    "{root}/configs/_base_/propose_reduce/ytvis_cate_aware.py",
    "{root}/configs/_base_/runtime.py",
]
categories = ["cat", "dog", "bird"]
data_preprocessor = dict(img_scale=(128, 64))
propose_reduce = dict(key_num=3, reduce=dict(iou_thr=0.5, score_thr=0.0))
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="resnet10t"),
    neck=dict(out_channels=16),
    rpn_head=dict(feat_channels=16),
    bbox_head=dict(num_classes=4, fc_channels=32),
    mask_head=dict(num_classes=4, conv_channels=16),
    prop_head=dict(channels=16, key_channels=8, fuse_channels=16),
    # Weights are at random: every class has a probability of about one quarter.
    test_cfg=dict(rcnn=dict(score_thr=0.2, max_per_img=4)),
)
"""


def write_config(folder: Path, repository: Path) -> Path:
    """Write the config into a folder."""
    path = folder / "tiny.py"
    path.write_text(CONFIG.format(root=repository.as_posix()))
    return path


def write_checkpoint(config: Path, path: Path, seed: int = 0) -> Path:
    """Write random weights for a config; masks and boxes vary enough for several sequences."""
    torch.manual_seed(seed)
    model = build_model(load_config(config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Initial weights of heads are made for training: nearly constant outputs. Spread them out.
            if parameter.ndim > 1 and not name.startswith("backbone"):
                torch.nn.init.kaiming_normal_(parameter)
        model.bbox_head.fc_cls.weight.mul_(0.3)
        model.rpn_head.rpn_reg.weight.mul_(0.1)
    write_state(model.state_dict(), path)
    return path


def moving_frames(number: int, height: int = 64, width: int = 96, seed: int = 0) -> list[np.ndarray]:
    """Frames of a textured background with a bright square that moves right, BGR uint8."""
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.integers(0, 120, (8, 12, 3), dtype=np.uint8), (width, height))
    frames = []
    for t in range(number):
        frame = background.copy()
        x = 5 + 2 * t % max(width - 30, 1)
        cv2.rectangle(frame, (x, 15), (x + 20, 40), (40, 220, 240), -1)
        frames.append(frame)
    return frames


def write_frames(folder: Path, number: int, **kwargs: int) -> Path:
    """Write frames as a folder of PNGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(moving_frames(number, **kwargs)):
        cv2.imwrite(str(folder / f"{t:05d}.png"), frame)
    return folder
