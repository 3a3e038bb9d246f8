"""Small annotated videos for the tests of formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.structures import RLE, decode_masks, encode_masks

H, W = 12, 20
SQUARE = [[2, 3], [8, 3], [8, 9], [2, 9]]  # x, y


def square_mask() -> NDArray[np.uint8]:
    mask = np.zeros((H, W), np.uint8)
    mask[3:9, 2:8] = 1
    return mask


def write_image(path: Path, height: int = H, width: int = W) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def masks_of(annotation: dict[str, Any]) -> list[NDArray[np.uint8] | None]:
    return [None if rle is None else decode_masks([rle])[0] for rle in annotation["segmentations"]]


def same(masks: Sequence[NDArray | None], expected: Sequence[NDArray | None]) -> bool:
    return len(masks) == len(expected) and all(
        (a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in zip(masks, expected, strict=True)
    )


def moving(frames: int, left: int, top: int, side: int = 4, gone: Sequence[int] = ()) -> list[RLE | None]:
    """A square that moves to the right; None in the frames where it is gone."""
    masks: list[RLE | None] = []
    for frame in range(frames):
        mask = np.zeros((1, H, W), np.uint8)
        mask[0, top : top + side, left + frame : left + frame + side] = 1
        masks.append(None if frame in gone else encode_masks(mask)[0])
    return masks


def two_videos(folder: Path, overlap: bool = False) -> AnnotatedVideos:
    """Videos "clip a" and "b" with their frames in ``folder``: three objects of the categories ball and red cube."""
    found = AnnotatedVideos("a test", folder)
    for name, length in (("clip a", 3), ("b", 2)):
        video = found.add_video(name, [f"{name}/{frame:05d}.png" for frame in range(length)], H, W)
        for file in video.file_names:
            write_image(folder / file)
    first, second = found.videos
    found.add_track(first, "ball", moving(3, 1, 1))
    found.add_track(first, "red cube", moving(3, 3 if overlap else 1, 6, gone=[1]))
    found.add_track(second, "ball", moving(2, 9, 2, side=3))
    return found


def contents(found: AnnotatedVideos) -> dict[str, list[tuple[str, list[RLE | None]]]]:
    """Categories and masks of all objects by the name of their video, in an order that does not depend on theirs."""
    return {
        video.name: sorted(((t.category, t.masks) for t in video.tracks), key=lambda item: (item[0], str(item[1])))
        for video in found.videos
    }
