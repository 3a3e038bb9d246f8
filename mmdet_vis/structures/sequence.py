"""What the program returns: the object sequences of a video."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures.masks import RLE


def frame_stems(result: VideoResult) -> list[str]:
    """File names without ending for the T frames of ``result``.

    These are its ``frame_names``; when it has none, or two frames share a name (``0.jpg`` beside ``0.png``),
    the frames are numbered ``"00000"``, ``"00001"``, … so that no file overwrites another.

    Raises:
        ValueError: if there are names, but not one for each frame.
    """
    names = list(result.frame_names)
    if names and len(names) != result.num_frames:
        raise ValueError(f"{result.name} has {result.num_frames} frames but {len(names)} frame names")
    if not names or len(set(names)) < len(names):
        return [f"{index:05d}" for index in range(result.num_frames)]
    return names


@dataclass
class InstanceSequence:
    """One object through a whole video.

    Attributes:
        track_id: 1-based rank of the sequence in its video.
        label: best category as an index into ``VideoResult.categories`` (0-based).
        score: score of that category, in [0, 1].
        class_scores: ``[C]`` float32, the score of each category; -1 where category-aware reduction dropped it.
        masks: T RLEs at the video's original size, all-zero where the object is not visible.
    """

    track_id: int
    label: int
    score: float
    class_scores: NDArray[np.float32]
    masks: list[RLE]


@dataclass
class VideoResult:
    """The sequences of one video, in the order of the reduction: descending score.

    Category-aware reduction keeps this order although it lowers the scores of single categories afterwards.

    Attributes:
        name: name of the video (folder name, or file name without its ending).
        height, width: original frame size in pixels.
        num_frames: T.
        sequences: kept sequences.
        categories: C category names.
        category_ids: C ids of these categories in the dataset's annotation file (1-based in YouTube-VIS).
        frame_names: T names without ending, e.g. ``"00005"``; used to name per-frame files.
        fps: frames per second of the source, if it has any.
    """

    name: str
    height: int
    width: int
    num_frames: int
    sequences: list[InstanceSequence]
    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    frame_names: list[str] = field(default_factory=list)
    fps: float | None = None

    def category_of(self, sequence: InstanceSequence) -> str:
        """Name of the best category of ``sequence``."""
        return self.categories[sequence.label]
