"""One video: its frames on disk and its annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.synthvis.categories import CATEGORIES
from mmdet_vis.data.synthvis.options import DatasetOptions
from mmdet_vis.data.synthvis.render import masks_at, render_frame
from mmdet_vis.data.synthvis.scene import Scene, draw_scene
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import RLE, areas, encode_masks

SPLITS = ("train", "val")

_ATTEMPTS = 100
# An object counts as seen where half of it shows; a quarter of the frames must show that much.
_SEEN_SHARE, _SEEN_FRAMES = 0.5, 0.25


def make_video(folder: Path, options: DatasetOptions, split: str, index: int) -> dict[str, Any]:
    """Write the frames of one video and return its annotations.

    The result depends on ``options.seed``, ``split`` and ``index`` alone, whichever process makes it.

    Args:
        folder: the split's ``JPEGImages`` folder, which exists.
        split, index: one of :data:`SPLITS`, and the 0-based number of the video in it.

    Returns:
        ``{"video": ..., "annotations": [...]}``, entries of a YouTube-VIS file without ids of their own.
    """
    seed = np.random.SeedSequence(options.seed, spawn_key=(SPLITS.index(split), index))
    rng = np.random.default_rng(seed)
    scene, masks = _draw_seen_scene(rng, options, index)
    name = f"{split}_{index:04d}"
    (folder / name).mkdir()
    file_names = []
    for t in range(options.frames):
        file_names.append(f"{name}/{t:05d}.jpg")
        _write_jpeg(folder / file_names[-1], render_frame(scene, t, rng), options.quality)
    size = {"width": options.width, "height": options.height, "length": options.frames}
    annotations = [
        {"category_id": actor.category.id, "iscrowd": 0, **size, **_annotate(masks[i])}
        for i, actor in enumerate(scene.actors)
        if actor.category is not None
    ]
    return {"video": {**size, "file_names": file_names}, "annotations": annotations}


def _draw_seen_scene(rng: np.random.Generator, options: DatasetOptions, index: int) -> tuple[Scene, list[list[RLE]]]:
    """Draw scenes until one shows every labelled object; with the visible masks ``[actors][frames]``.

    Hence no object is in the picture without ever being seen well, and the number of objects is the one
    drawn.
    """
    # Main categories take turns, so that every eight videos in a row have all of them.
    main = CATEGORIES[index % len(CATEGORIES)]
    for _ in range(_ATTEMPTS):
        scene = draw_scene(rng, options, main)
        # Encoded frame by frame: the masks of a long, large video would fill the memory.
        frames = [encode_masks(masks_at(scene, t)) for t in range(options.frames)]
        masks = [list(rles) for rles in zip(*frames, strict=True)]
        if _all_seen(scene, masks):
            return scene, masks
    raise DatasetError(
        f"SynthVIS: in {_ATTEMPTS} attempts no video of {options.width}x{options.height} showed all of its "
        f"{options.level.objects[0]} to {options.level.objects[1]} objects; ask for fewer or smaller objects"
    )


def _all_seen(scene: Scene, masks: list[list[RLE]]) -> bool:
    needed = max(1, int(_SEEN_FRAMES * scene.frames))
    for actor, rles in zip(scene.actors, masks, strict=True):
        if actor.category is None:
            continue
        whole = np.array([actor.area(t, scene.frames) for t in range(scene.frames)])
        if np.count_nonzero(areas(rles) > _SEEN_SHARE * whole) < needed:
            return False
    return True


def _annotate(rles: list[RLE]) -> dict[str, list[Any]]:
    """RLE, box [x, y, w, h] and area of one object per frame, None where it is not visible."""
    sizes = [int(a) for a in areas(rles)]
    boxes = coco_mask.toBbox(rles).astype(int).tolist()
    return {
        "segmentations": [rle if size else None for rle, size in zip(rles, sizes, strict=True)],
        "bboxes": [box if size else None for box, size in zip(boxes, sizes, strict=True)],
        "areas": [size or None for size in sizes],
    }


def _write_jpeg(path: Path, image: NDArray[np.uint8], quality: int) -> None:
    # Encoded in memory, for cv2.imwrite does not say why a file could not be written.
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError(f"{path}: OpenCV could not encode the frame")
    path.write_bytes(data.tobytes())
