"""Small datasets for training: videos and stills of plain rectangles whose colours tell where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmdet_vis.structures import encode_masks

HEIGHT, WIDTH = 60, 96
BACKGROUND = (30, 30, 30)
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))
"""BGR of the first, second and third object of an image."""

Box = tuple[int, int, int, int]


def rectangle_mask(box: Box, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """``[h, w]`` uint8 mask of a box (x, y, width, height)."""
    mask = np.zeros(size, np.uint8)
    x, y, width, height = box
    mask[y : y + height, x : x + width] = 1
    return mask


def draw_boxes(boxes: list[Box | None], size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """An image with a rectangle in its own colour for each box."""
    image = np.full((*size, 3), BACKGROUND, np.uint8)
    for box, colour in zip(boxes, COLOURS, strict=False):
        if box is not None:
            image[rectangle_mask(box, size) > 0] = colour
    return image


def track(
    video: int, category: int, boxes: list[Box | None], size: tuple[int, int] = (HEIGHT, WIDTH), **more: Any
) -> dict[str, Any]:
    """An entry of ``annotations`` of the YouTube-VIS format."""
    masks = [None if box is None else encode_masks(rectangle_mask(box, size)[None])[0] for box in boxes]
    return {
        "video_id": video,
        "category_id": category,
        "iscrowd": 0,
        "bboxes": [None if box is None else list(box) for box in boxes],
        "areas": [None if box is None else box[2] * box[3] for box in boxes],
        "segmentations": masks,
    } | more


def write_videos(
    root: Path, videos: dict[int, list[dict[str, Any]]], sizes: dict[int, tuple[int, int]] | None = None
) -> Path:
    """Write ``root/train.json`` and the frames in ``root/frames``; objects are :func:`track` entries. Returns root."""
    entries, annotations = [], []
    for video, tracks in videos.items():
        size, length = (sizes or {}).get(video, (HEIGHT, WIDTH)), len(tracks[0]["bboxes"])
        names = [f"v{video}/{t:05d}.png" for t in range(length)]
        (root / "frames" / f"v{video}").mkdir(parents=True)
        for t, name in enumerate(names):
            boxes = [None if item["bboxes"][t] is None else tuple(item["bboxes"][t]) for item in tracks]
            cv2.imwrite(str(root / "frames" / name), draw_boxes(boxes, size))
        entries.append({"id": video, "height": size[0], "width": size[1], "length": length, "file_names": names})
        annotations += tracks
    annotations = [{"id": number, **item} for number, item in enumerate(annotations, 1)]
    categories = [{"id": 3, "name": "dog"}, {"id": 12, "name": "cat"}]
    content = {"videos": entries, "categories": categories, "annotations": annotations}
    (root / "train.json").write_text(json.dumps(content))
    return root


def moving(x: int, y: int, width: int, height: int, length: int) -> list[Box | None]:
    """A box that moves 3 pixels to the right per frame."""
    return [(x + 3 * t, y, width, height) for t in range(length)]


def polygon(box: Box) -> list[list[int]]:
    """The segmentation of a box as COCO has it."""
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def still_object(image: int, category: int, box: Box, **more: Any) -> dict[str, Any]:
    """An entry of ``annotations`` of the COCO format."""
    entry = {"image_id": image, "category_id": category, "iscrowd": 0, "bbox": list(box), "area": box[2] * box[3]}
    return entry | {"segmentation": polygon(box)} | more


def write_stills(
    root: Path, images: dict[int, list[dict[str, Any]]], size: tuple[int, int] = (HEIGHT, WIDTH), **flags: Any
) -> Path:
    """Write ``root/stills.json`` and ``root/images``; objects are :func:`still_object` entries. Returns root.

    ``flags`` are added to every image's entry.
    """
    (root / "images").mkdir(parents=True)
    entries, annotations = [], []
    for image, objects in images.items():
        boxes = [tuple(int(v) for v in item["bbox"]) for item in objects]
        cv2.imwrite(str(root / "images" / f"{image}.png"), draw_boxes(boxes, size))  # type: ignore[arg-type]
        entries.append({"id": image, "file_name": f"{image}.png", "height": size[0], "width": size[1], **flags})
        annotations += objects
    annotations = [{"id": number, **item} for number, item in enumerate(annotations, 1)]
    names = ("person", "dog", "cat", "car", "cup")
    content = {"images": entries, "annotations": annotations}
    content["categories"] = [{"id": 10 * n, "name": name} for n, name in enumerate(names, 1)]
    (root / "stills.json").write_text(json.dumps(content))
    return root
