"""A dataset of a few tiny videos in the YouTube-VIS or DAVIS layout, for the network of tests/tiny.py."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmdet_vis.structures import encode_masks
from tests.tiny import moving_frames

# Ids are neither positions nor sorted; lengths differ, so that processes get shares of their own.
VIDEOS = {1001: 4, 7: 2, 42: 3, 300: 5, 5: 2}
CATEGORIES = {3: "dog", 12: "cat", 40: "bird"}
HEIGHT, WIDTH = 64, 96


def write_ytvis(root: Path, ann_file: str, img_prefix: str, videos: dict[int, int] = VIDEOS) -> Path:
    """Write frames and an annotation file; the moving square of each video is a cat. Returns ``root``."""
    entries, annotations = [], []
    for number, (video_id, length) in enumerate(videos.items()):
        names = [f"video{number}/{t:05d}.png" for t in range(length)]
        _write_frames(root / img_prefix / f"video{number}", length, number)
        entries.append({"id": video_id, "width": WIDTH, "height": HEIGHT, "length": length, "file_names": names})
        masks = np.stack([_square(t) for t in range(length)])
        annotations.append(
            {
                "id": number + 1, "video_id": video_id, "category_id": 12, "iscrowd": 0,
                "segmentations": encode_masks(masks),
                "areas": [int(mask.sum()) for mask in masks],
                "bboxes": [[5 + 2 * t, 15, 21, 26] for t in range(length)],
            }
        )  # fmt: skip
    content = {
        "videos": entries,
        "categories": [{"id": key, "name": name} for key, name in CATEGORIES.items()],
        "annotations": annotations,
    }
    (root / ann_file).write_text(json.dumps(content), encoding="utf-8")
    return root


def write_davis(root: Path, lengths: tuple[int, ...] = (2, 3)) -> Path:
    """Write a DAVIS folder with the set val and its annotations."""
    names = [f"video{number}" for number in range(len(lengths))]
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(names) + "\n")
    for number, (name, length) in enumerate(zip(names, lengths, strict=True)):
        _write_frames(root / "JPEGImages" / "480p" / name, length, number, ".jpg")
        truth = root / "Annotations_unsupervised" / "480p" / name
        truth.mkdir(parents=True)
        for t in range(length):
            Image.fromarray(_square(t)).save(truth / f"{t:05d}.png")
    return root


def write_dataset_config(path: Path, tiny_config: Path, root: Path) -> Path:
    """Write a config of the tiny network with the dataset of :func:`write_ytvis` (``valid.json``, ``frames``)."""
    dataset = {"_delete_": True, "type": "YTVISDataset", "ann_file": "valid.json", "img_prefix": "frames"}
    dataset |= {"categories": ["cat", "dog", "bird"], "data_root": str(root), "name": "tiny"}
    path.write_text(f"_base_ = {str(tiny_config)!r}\ntest = dict(dataset={dataset!r})\n")
    return path


def _write_frames(folder: Path, length: int, seed: int, suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    for t, frame in enumerate(moving_frames(length, HEIGHT, WIDTH, seed)):
        cv2.imwrite(str(folder / f"{t:05d}{suffix}"), frame)


def _square(t: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[15:41, 5 + 2 * t : 26 + 2 * t] = 1
    return mask
