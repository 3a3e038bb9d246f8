"""Small valid files of every kind, made once, from which damaged ones are made."""

from __future__ import annotations

import io
import json
import random
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.config.load import load_config
from mmdet_vis.data.formats.davis_png import voc_palette
from mmdet_vis.structures import encode_masks
from mmdet_vis.weights.model_file import CONFIG_KEY, KEPT
from tests.reliability.fuzzing.media import VIDEOS, picture, write_video

HEIGHT, WIDTH, FRAMES = 24, 32, 3
CATEGORIES = ("cat", "dog", "bird")
REPOSITORY = Path(__file__).resolve().parents[3]
CONFIG = """# A small network on a small dataset.
_base_ = ["{root}/configs/_base_/models/seq_mask_rcnn_r50_fpn.py", "{root}/configs/_base_/propose_reduce/ytvis.py"]
categories = ["cat", "dog", "bird"]
data_preprocessor = dict(
    img_scale=(128, 64), mean=(1.0, 2.0, 3.0), std=(58.395, 57.12, 57.375), to_rgb=True, size_divisor=32
)
model = dict(
    backbone=dict(_delete_=True, type="TimmBackbone", model_name="resnet10t"),
    neck=dict(out_channels=16),
    rpn_head=dict(feat_channels=16),
    bbox_head=dict(num_classes=4, fc_channels=32),
    mask_head=dict(num_classes=4, conv_channels=16),
    prop_head=dict(channels=16, key_channels=8, fuse_channels=16),
)
rate = 0.01 * 2 / 3
optim_wrapper = dict(optimizer=dict(type="SGD", lr=rate), clip_grad=None)
"""


def write_templates(folder: Path) -> Path:
    """Write all templates; returns ``folder``. What is there already stays."""
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    (folder / "videos").mkdir(exist_ok=True)
    for name in VIDEOS:
        write_video(folder / "videos" / name, rng)
    _write_ytvis(folder / "ytvis", rng)
    _write_davis(folder / "davis", rng)
    _write_json(folder / "coco.json", coco())
    _write_json(folder / "labelme.json", labelme())
    (folder / "cvat.xml").write_text(CVAT)
    (folder / "config.py").write_text(CONFIG.format(root=REPOSITORY.as_posix()))
    _write_weights(folder)
    (folder / "complete").touch()
    return folder


def square(frame: int) -> NDArray[np.uint8]:
    """A moving square: ``[HEIGHT, WIDTH]`` uint8."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[6:18, 4 + 3 * frame : 16 + 3 * frame] = 1
    return mask


def rles() -> list[dict[str, Any]]:
    """The masks of the square."""
    return [dict(rle) for rle in encode_masks(np.stack([square(t) for t in range(FRAMES)]))]


def example_annotations() -> dict[str, Any]:
    """An annotation file in the YouTube-VIS format: two videos, two objects."""
    videos = [
        {"id": v, "height": HEIGHT, "width": WIDTH, "length": FRAMES,
         "file_names": [f"v{v}/{t:05d}.png" for t in range(FRAMES)]}
        for v in (1, 2)
    ]  # fmt: skip
    objects = [
        {"id": v, "video_id": v, "category_id": v, "iscrowd": 0, "segmentations": rles(),
         "bboxes": [[4.0 + 3 * t, 6.0, 12.0, 12.0] for t in range(FRAMES)], "areas": [144] * FRAMES}
        for v in (1, 2)
    ]  # fmt: skip
    categories = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)]
    return {"videos": videos, "categories": categories, "annotations": objects}


def results() -> list[dict[str, Any]]:
    """Results for the annotations."""
    return [
        {"video_id": v, "category_id": v, "score": 0.5 + 0.1 * v, "segmentations": [*rles()[:2], None]} for v in (1, 2)
    ]


def coco() -> dict[str, Any]:
    """A COCO instances file: two images, with a polygon, run lengths and a compressed mask."""
    polygon = [4.0, 6.0, 16.0, 6.0, 16.0, 18.0, 4.0, 18.0]
    counts = {"size": [HEIGHT, WIDTH], "counts": [100, 144, HEIGHT * WIDTH - 244]}
    common = {"bbox": [4.0, 6.0, 12.0, 12.0], "area": 144.0, "iscrowd": 0}
    return {
        "images": [
            {"id": n, "file_name": f"v{n}/00000.png", "height": HEIGHT, "width": WIDTH, "exhaustive": True}
            for n in (1, 2)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [polygon], **common},
            {"id": 2, "image_id": 2, "category_id": 2, "segmentation": counts, **common},
            {"id": 3, "image_id": 2, "category_id": 3, "segmentation": rles()[0], **common},
        ],
    }


def labelme() -> dict[str, Any]:
    """A file of labelme."""
    points = [[4.0, 6.0], [16.0, 6.0], [16.0, 18.0], [4.0, 18.0]]
    return {
        "version": "5.0.1",
        "imagePath": "00000.png",
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        "imageData": None,
        "shapes": [
            {"label": "cat", "points": points, "group_id": 1, "shape_type": "polygon", "flags": {}},
            {"label": "dog", "points": points[:3], "group_id": None, "shape_type": "polygon", "flags": {}},
            {"label": "dog", "points": points[:2], "group_id": None, "shape_type": "rectangle", "flags": {}},
        ],
    }


CVAT = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><size>{FRAMES}</size><start_frame>0</start_frame><frame_filter>step=1</frame_filter>
    <labels><label><name>cat</name></label><label><name>dog</name></label></labels>
    <original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size></task></meta>
  <track id="0" label="cat">
    <polygon frame="0" outside="0" keyframe="1" points="4.0,6.0;16.0,6.0;16.0,18.0;4.0,18.0" z_order="0"></polygon>
    <polygon frame="1" outside="1" keyframe="1" points="4.0,6.0;16.0,6.0;16.0,18.0;4.0,18.0" z_order="0"></polygon>
  </track>
  <track id="1" label="dog" group_id="2">
    <mask frame="1" outside="0" rle="3, 5, 12, 4" left="2" top="3" width="6" height="4" z_order="0"></mask>
  </track>
  <track id="2" label="dog"><box frame="1" xtl="1" ytl="2" xbr="5" ybr="6" outside="0"></box></track>
</annotations>
"""


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def _write_frames(folder: Path, rng: random.Random, ending: str) -> None:
    folder.mkdir(parents=True)
    for t in range(FRAMES):
        cv2.imwrite(str(folder / f"{t:05d}{ending}"), picture(rng, WIDTH, HEIGHT))


def _write_ytvis(folder: Path, rng: random.Random) -> None:
    for v in (1, 2):
        _write_frames(folder / "frames" / f"v{v}", rng, ".png")
    _write_json(folder / "annotations.json", example_annotations())


def _write_davis(folder: Path, rng: random.Random) -> None:
    names = ("car", "dog")
    (folder / "ImageSets" / "2017").mkdir(parents=True)
    (folder / "ImageSets" / "2017" / "val.txt").write_text("\n".join(names) + "\n")
    for name in names:
        _write_frames(folder / "JPEGImages" / "480p" / name, rng, ".jpg")
        truth = folder / "Annotations_unsupervised" / "480p" / name
        truth.mkdir(parents=True)
        for t in range(FRAMES):
            (truth / f"{t:05d}.png").write_bytes(index_png(square(t)))


def index_png(index_map: NDArray[np.uint8]) -> bytes:
    """A palette PNG of an index map ``[H, W]`` uint8."""
    image, buffer = Image.fromarray(index_map), io.BytesIO()
    image.putpalette(voc_palette().tobytes())
    image.save(buffer, "PNG")
    return buffer.getvalue()


def state_dict() -> dict[str, torch.Tensor]:
    """Weights of :func:`small_network`."""
    torch.manual_seed(0)
    return {name: value.clone() for name, value in small_network().state_dict().items()}


def small_network() -> torch.nn.Module:
    """A network of a few hundred weights."""
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 5))


def safetensors(header: bytes, data: bytes) -> bytes:
    """A safetensors file of any header."""
    return struct.pack("<Q", len(header)) + header + data


def _write_weights(folder: Path) -> None:
    from safetensors.torch import save

    state = state_dict()
    (folder / "plain.safetensors").write_bytes(save(state, {"note": "x"}))
    torch.save(state, folder / "plain.pth")
    torch.save(
        {"state_dict": state, "meta": {"epoch": 3, "name": "x"}, "optimizer": [1.5, (2, None)]}, folder / "wrapped.pth"
    )
    torch.save({"model": state}, folder / "old.pth", _use_new_zipfile_serialization=False)
    config = load_config(folder / "config.py").to_dict()
    _write_json(folder / "model_config.json", {key: config[key] for key in KEPT if key in config})
    text = (folder / "model_config.json").read_text()
    (folder / "model.safetensors").write_bytes(save({"x": torch.zeros(2)}, {CONFIG_KEY: text}))
