"""Small YouTube-VIS data sets of rectangles, made by hand or drawn by hypothesis."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mmdet_vis.structures import encode_masks

HEIGHT, WIDTH = 300, 340


def rectangle(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    """RLE of a rectangle, clipped to the frame."""
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    mask[0, max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 1
    return dict(encode_masks(mask)[0])


def moving_rectangle(x: int, y: int, width: int, height: int, frames: int) -> list[dict[str, Any] | None]:
    """A rectangle that moves 3 pixels to the right per frame."""
    return [rectangle(x + 3 * t, y, width, height) for t in range(frames)]


def without_last_run(mask: dict[str, Any]) -> dict[str, Any]:
    """A mask whose runs stop before the end of the frame: such a one makes pycocotools loop for ever."""
    return {**mask, "counts": re.sub("[P-o]*[0-O]$", "", mask["counts"])}


def dataset(
    objects: list[tuple[int, int, list[Any]]], videos: int = 1, frames: int = 3, categories: int = 2
) -> dict[str, Any]:
    """Annotations of (video id, category id, masks) triples; all videos have ``frames`` frames."""
    return {
        "videos": [
            {"id": v + 1, "height": HEIGHT, "width": WIDTH, "length": frames, "file_names": [f"v{v}/0.jpg"] * frames}
            for v in range(videos)
        ],
        "categories": [{"id": c + 1, "name": f"kind {c + 1}"} for c in range(categories)],
        "annotations": [
            {"id": n + 1, "video_id": v, "category_id": c, "iscrowd": 0, "segmentations": masks}
            for n, (v, c, masks) in enumerate(objects)
        ],
    }


def prediction(video_id: int, category_id: int, score: float, masks: list[Any]) -> dict[str, Any]:
    """An entry of a results file."""
    return {"video_id": video_id, "category_id": category_id, "score": score, "segmentations": masks}


def perfect_predictions(annotations: dict[str, Any]) -> list[dict[str, Any]]:
    """One prediction for each object that is no crowd, with its masks and distinct scores."""
    objects = [a for a in annotations["annotations"] if not a["iscrowd"]]
    return [
        prediction(a["video_id"], a["category_id"], 0.9 - 0.001 * n, a["segmentations"]) for n, a in enumerate(objects)
    ]


def example() -> dict[str, Any]:
    """Two videos with three objects of two categories, of which one is not visible in the first frame."""
    return dataset(
        [
            (1, 1, moving_rectangle(10, 10, 100, 60, 3)),
            (1, 2, [None, *moving_rectangle(150, 100, 150, 150, 2)]),
            (2, 1, moving_rectangle(5, 5, 290, 280, 3)),
        ],
        videos=2,
    )


@st.composite
def random_case(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations (crowds and absent frames included) and results, some near an object, with distinct scores."""
    frames, videos = draw(st.integers(1, 24)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    objects, results = [], []
    for video_id in range(1, videos + 1):
        boxes = []
        for _ in range(draw(st.integers(0, 4))):
            box = rng.integers((-20, -20, 20, 20), (250, 250, 330, 300))
            boxes.append(box)
            objects.append((video_id, int(rng.integers(1, 4)), _maybe_hidden(rng, moving_rectangle(*box, frames))))
        for _ in range(draw(st.integers(0, 12))):
            box = rng.integers((-20, -20, 20, 20), (250, 250, 330, 300))
            if boxes and rng.random() < 0.8:
                box = boxes[rng.integers(len(boxes))] + rng.integers(-12, 13, 4)
            masks = _maybe_hidden(rng, moving_rectangle(*box, frames))
            results.append(prediction(video_id, int(rng.integers(1, 4)), 0.0, masks))
    scores = rng.permutation(len(results))
    for entry, score in zip(results, scores.tolist(), strict=True):
        entry["score"] = score / 64
    annotations = dataset(objects, videos, frames, categories=3)
    for annotation in annotations["annotations"]:
        annotation["iscrowd"] = int(rng.random() < 0.2)
    return annotations, results


def _maybe_hidden(rng: np.random.Generator, masks: list[Any]) -> list[Any]:
    """The masks, with some frames missing (``None``) or empty."""
    if rng.random() < 0.5:
        return masks
    return [[mask, None, rectangle(0, 0, 0, 0)][rng.choice(3, p=(0.6, 0.2, 0.2))] for mask in masks]
