"""A folder of binary masks for each object, read and written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.frame_folders import find_images
from mmdet_vis.data.formats.mask_folders import FrameFiles, nested_videos
from mmdet_vis.data.formats.mask_writing import annotated_frames, file_name, frame_stems
from mmdet_vis.data.formats.number_pngs import encode_png, read_colours
from mmdet_vis.data.formats.soft_edges import interior
from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.folder import list_files, list_folders
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, decode_masks, encode_masks
from mmdet_vis.structures.masks import empty_rle

_NUMBERED = re.compile(r"(?P<category>.*?)[ _-]*[0-9]*")
_FEW_SHADES = 32
"""Below that, grey values are numbers of objects; shades of a mask go up to white."""


def has_object_folders(video: Path) -> bool:
    """Whether a folder holds folders of PNGs."""
    return video.is_dir() and any(list_files(path, ".png") for path in list_folders(video))


def read_object_folders(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read ``root/<video>/<object>/<frame>.png``, or the folders of one video; what is not black is the object.

    ``ball_2`` is an object of the category ball; of a folder whose name is a number, it is ``options.category``. Frames
    are those of :func:`~mmdet_vis.data.formats.index_pngs.read_index`.

    Raises:
        DatasetError: a PNG cannot be read or has another size, or PNGs and frames do not belong together.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the one with a folder of masks per object")
    videos = {path.relative_to(root).as_posix(): path for path in nested_videos(root, has_object_folders)}
    if not videos and has_object_folders(root):
        videos = {root.resolve().name: root.resolve()}
    if not videos:
        raise DatasetError(
            f"{root} holds no folders of masks per object: give the one with <video>/<object>/<frame>.png"
        )
    found = AnnotatedVideos(f"folders of objects of {root}")
    found.images = find_images(root, options.images, list(videos))
    for name, folder in with_bar(list(videos.items()), "videos", shown=options.progress):
        _add_video(found, name, folder, options.category)
    return found


def _add_video(found: AnnotatedVideos, video_name: str, folder: Path, category: str) -> None:
    objects = {path.name: list_files(path, ".png") for path in list_folders(folder)}
    stems = sorted({png.stem for pngs in objects.values() for png in pngs}, key=natural_key)
    frames = FrameFiles(found, stems, video_name, found.images, folder)
    place = {stem: number for number, stem in enumerate(stems)}
    size: tuple[int, int] | None = None
    tracks: dict[str, list[RLE | None]] = {}
    for name, pngs in objects.items():
        masks: list[RLE | None] = [None] * len(stems)
        for png in pngs:
            colours = read_colours(png)
            if not is_one_object(colours):
                raise DatasetError(
                    f"{png} holds several objects, but {folder.name}/{name} is taken as the folder of one: put index "
                    "PNGs into VIDEO/FRAME.png, or a mask of each object into a folder of its own"
                )
            pixels = _object_pixels(found, colours)
            size = size or (pixels.shape[0], pixels.shape[1])
            if pixels.shape != size:
                raise DatasetError(f"{png} has another size than other masks of its video: all must have one size")
            masks[place[png.stem]] = encode_masks(pixels[None].astype(np.uint8))[0]
        tracks[name] = masks
    assert size is not None
    video = frames.add_video(found, video_name, size)
    for name, masks in tracks.items():
        match = _NUMBERED.fullmatch(name)
        found.add_track(video, (match and match["category"]) or category, frames.spread(masks))


def is_one_object(colours: NDArray[np.int32]) -> bool:
    """Whether a picture ``[H, W]`` of 0xRRGGBB has one colour but black, or one with the shades of its soft edges."""
    bright = _brightness(colours)
    if bright.max() < _FEW_SHADES:
        return int(np.count_nonzero(np.unique(colours))) < 2
    kept = 2 * bright >= bright.max()
    parts = [colours >> shift & 255 for shift in (16, 8, 0)]
    if any(len(np.unique((5 * part >= 2 * bright)[kept])) > 1 for part in parts):
        return False  # red and green are no shades of one colour
    flat = kept & interior(colours)
    return all(int(np.ptp(part[flat])) <= _FEW_SHADES for part in parts) if flat.any() else True


def _brightness(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    """``[H, W]``: the highest channel of each pixel."""
    bright: NDArray[np.int32] = np.maximum(np.maximum(colours >> 16, colours >> 8 & 255), colours & 255)
    return bright


def _object_pixels(found: AnnotatedVideos, colours: NDArray[np.int32]) -> NDArray[np.bool_]:
    """``[H, W]``: what is not black; of several brightnesses, what has at least half of the highest."""
    bright = _brightness(colours)
    levels = np.unique(bright[bright > 0])
    if len(levels) > 1 and 2 * levels[0] < levels[-1]:
        found.notes.guessed["masks with shades between black and white (from half the brightness on, the object)"] += 1
    return 2 * bright >= max(int(levels[-1]) if len(levels) else 0, 1)


def write_object_folders(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``target/<video>/<category>_<number>/<frame>.png``, white on black, for each annotated frame.

    Raises:
        OutputError: a file cannot be written.
    """
    for video in videos.videos:
        stems = frame_stems(video)
        empty = empty_rle(video.height, video.width)
        for number, track in enumerate(video.tracks, 1):
            name = file_name(track.category)
            if name != track.category:
                videos.notes.facts[f"objects of {track.category!r:.40} in folders called {name!r:.40}"] += 1
            folder = ensure_writable_dir(target / video.name / f"{name}_{number:03d}")
            for frame in annotated_frames(video):
                pixels = decode_masks([track.masks[frame] or empty])[0] * 255
                atomic_write(folder / f"{stems[frame]}.png", encode_png(pixels))
