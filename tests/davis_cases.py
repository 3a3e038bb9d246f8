"""A small data set in the layout of DAVIS, and results for it, as real PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mmdet_vis.data.formats.davis_png import voc_palette

HEIGHT, WIDTH, FRAMES = 60, 80, 6
VIDEOS = ("car", "dog")


def write_map(path: Path, index_map: np.ndarray) -> None:
    """Write an index map ``[H, W]`` uint8 as a palette PNG, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(index_map)
    image.putpalette(voc_palette().tobytes())
    image.save(path)


def read_map(path: Path) -> np.ndarray:
    """Index map of a palette PNG."""
    with Image.open(path) as image:
        return np.array(image)


def index_map(video: int, frame: int) -> np.ndarray:
    """Two objects that move; the second is hidden in the last frame."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[10:40, 5 + 2 * frame : 35 + 2 * frame] = 1
    if frame < FRAMES - 1:
        pixels[30 + video : 58, 40 + frame : 70] = 2
    return pixels


def write_davis(root: Path) -> Path:
    """Annotations and image set of two videos; returns ``root``."""
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(VIDEOS) + "\n")
    for v, video in enumerate(VIDEOS):
        for t in range(FRAMES):
            write_map(root / "Annotations_unsupervised" / "480p" / video / f"{t:05d}.png", index_map(v, t))
    return root


def write_results(folder: Path) -> Path:
    """Perfect results with the object numbers exchanged; returns ``folder``."""
    for v, video in enumerate(VIDEOS):
        for t in range(FRAMES):
            write_map(folder / video / f"{t:05d}.png", np.array([0, 2, 1], np.uint8)[index_map(v, t)])
    return folder
