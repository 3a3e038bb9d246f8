"""Masks of videos as pictures, one for each frame that somebody annotated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.annotated import AnnotatedVideo, AnnotatedVideos
from mmdet_vis.data.sources import unique_names
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.structures.masks import cover_map

_UNFIT = re.compile(r'[\x00-\x1f/\\:*?"<>|]')


def file_name(text: str) -> str:
    """A name of anything as that of a file, on every system."""
    return _UNFIT.sub("_", text.encode("utf-8", "replace").decode())[:100] or "_"


def annotated_frames(video: AnnotatedVideo) -> list[int]:
    """Positions of the frames that somebody annotated."""
    return [frame for frame in range(len(video)) if video.annotated is None or video.annotated[frame]]


def frame_stems(video: AnnotatedVideo) -> list[str]:
    """Names of the T frames without folder and ending, no two the same."""
    return unique_names([PurePosixPath(name).name for name in video.file_names])


def owner_maps(videos: AnnotatedVideos, video: AnnotatedVideo) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """For each annotated frame its position and, ``[H, W]`` uint16, 1 + index of the first track with each pixel.

    Pixels that other tracks have, too, are counted as left out.
    """
    for frame in annotated_frames(video):
        rles = [track.masks[frame] for track in video.tracks]
        present = [(index, rle) for index, rle in enumerate(rles) if rle is not None]
        cover = cover_map([rle for _, rle in present], video.height, video.width)
        shared = sum(int(coco_mask.area(rle)) for _, rle in present) - int(np.count_nonzero(cover))
        if shared:
            videos.notes.left_out["pixels of masks that lie under another (a pixel has one object)"] += shared
        numbers = np.array([0, *(index + 1 for index, _ in present)], np.uint16)
        yield frame, numbers[cover]


def write_pngs(target: Path, video: AnnotatedVideo, pictures: Iterable[tuple[int, bytes]]) -> None:
    """Write ``target/<video>/<frame>.png`` for (position, PNG) pairs.

    Raises:
        OutputError: a file cannot be written.
    """
    folder, stems = ensure_writable_dir(target / video.name), frame_stems(video)
    for frame, data in pictures:
        atomic_write(folder / f"{stems[frame]}.png", data)
