"""MOTS and KITTI-MOTS: 16-bit PNGs of 1000 times the class plus the object's number, read and written.

Class 10 is of no object.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedTrack, AnnotatedVideo, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.index_pngs import png_videos
from mmdet_vis.data.formats.mask_folders import FrameFiles, collect_masks
from mmdet_vis.data.formats.mask_writing import owner_maps, write_pngs
from mmdet_vis.data.formats.number_pngs import encode_png, read_numbers
from mmdet_vis.data.sources.folder import list_files, list_folders
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar

INSTANCES = "instances"
PER_CLASS = 1000
IGNORED = 10
KITTI_CLASSES = {1: "car", 2: "pedestrian"}
KITTI_NAMES = {"car": 1, "vehicle": 1, "sedan": 1, "pedestrian": 2, "person": 2}
LABELS = "labels.txt"
"""Names of the classes from 1, one a line, as CVAT writes them."""
_MAX_LABELS = 2**20


class MotsClasses:
    """Names of classes: of the first ``labels.txt`` in some folders, else those of KITTI-MOTS.

    Raises:
        DatasetError: that file cannot be read.
    """

    def __init__(self, found: AnnotatedVideos, *folders: Path) -> None:
        self.found = found
        self.names = dict(KITTI_CLASSES)
        file = next((folder / LABELS for folder in folders if (folder / LABELS).is_file()), None)
        self.listed = file is not None
        if file is not None:
            if file.stat().st_size > _MAX_LABELS:
                raise DatasetError(f"{file} is no list of classes, one a line: move it away")
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            lines = [line for line in lines if line != "background"]
            self.names = dict(enumerate(lines, 1))
            for name in lines:
                found.category(name)

    def is_ignored(self, number: int) -> bool:
        """Whether a class stands for regions that count neither as objects nor as background."""
        return number == IGNORED and IGNORED not in self.names

    def name(self, number: int) -> str:
        """Name of a class."""
        if not self.listed:
            known = self.names.get(number, f"class_{number}")
            self.found.notes.guessed[f"objects of class {number}, taken as {known}"] += 1
        return self.names.get(number, f"class_{number}")


def number_tracks(videos: AnnotatedVideos, tracks: list[AnnotatedTrack], classes: dict[str, int]) -> list[int]:
    """Numbers of a video's objects, 0 for those that MOTS cannot number, which are noted."""
    counts: dict[int, int] = {}
    numbers = []
    for track in tracks:
        number = classes.get(track.category)
        counts[number or 0] = counts.get(number or 0, 0) + 1
        if number is None or counts[number] >= PER_CLASS:
            reason = "of categories without a class" if number is None else f"beyond {PER_CLASS - 1} of a class"
            videos.notes.left_out[f"objects {reason}"] += 1
        numbers.append(0 if number is None or counts[number] >= PER_CLASS else number * PER_CLASS + counts[number])
    return numbers


def instance_folders(root: Path) -> list[Path]:
    """Folders ``instances`` in ``root`` or one below it (CVAT: one for each subset); else ``root`` itself."""
    if (root / INSTANCES).is_dir():
        return [root / INSTANCES]
    below = [path / INSTANCES for path in list_folders(root) if (path / INSTANCES).is_dir()] if root.is_dir() else []
    return below or [root]


def read_mots(root: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read ``root/[instances/]<video>/<frame>.png``; CVAT's exports have one video, ``root/<subset>/instances``.

    Names of the classes are those of ``labels.txt``, as CVAT writes it, else car and pedestrian. Class 10 (10000) is of
    no object. Frames are those of :func:`~mmdet_vis.data.formats.index_pngs.read_index`.

    Raises:
        DatasetError: a PNG cannot be read or has another size, or PNGs and frames do not belong together.
    """
    found = AnnotatedVideos(f"MOTS PNGs of {root}")
    for base in instance_folders(root):
        classes = MotsClasses(found, base, base.parent)
        folders, frames_of = png_videos(found, base, options.images)
        if base.name == INSTANCES and folders[0][1] == base:  # The frames of one video, without a folder of its name.
            folders = [(base.resolve().parent.name, base)]
            beside = base.parent / "images"
            frames_of = frames_of or (beside if beside.is_dir() else None)
        if found.videos and frames_of != found.images:
            raise DatasetError(f"{root} holds several subsets: give one of them, such as {base.parent}")
        found.images = frames_of
        for name, folder in with_bar(folders, "videos", shown=options.progress):
            _add_video(found, classes, name, folder)
    return found


def _add_video(found: AnnotatedVideos, classes: MotsClasses, name: str, folder: Path) -> None:
    pngs = list_files(folder, ".png")
    if not pngs:
        raise DatasetError(f"{folder} holds no PNGs: unpack the annotations of all videos")
    frames = FrameFiles(found, [png.stem for png in pngs], name, found.images, folder)
    objects, size = collect_masks(pngs, read_numbers)
    video = frames.add_video(found, name, size)
    for number, masks in objects.items():
        assert isinstance(number, int)
        if classes.is_ignored(number // PER_CLASS):
            found.notes.facts["regions to ignore (class 10), which are of no object"] += 1
        elif number < PER_CLASS:
            found.notes.left_out["pixel values below 1000, which have no class"] += 1
        else:
            found.add_track(video, classes.name(number // PER_CLASS), frames.spread(masks))


def write_mots(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``instances/<video>/<frame>.png`` and ``instances/labels.txt``; frames nobody annotated have no PNG.

    Raises:
        OutputError: a file cannot be written.
    """
    classes = {name: number for number, name in enumerate(videos.categories, 1)}
    for video in videos.videos:
        pictures = ((frame, encode_png(pixels)) for frame, pixels in _numbered(videos, video, classes))
        write_pngs(target / INSTANCES, video, pictures)
    atomic_write(ensure_writable_dir(target / INSTANCES) / LABELS, "".join(f"{name}\n" for name in classes))


def write_kitti_mots(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``instances/0000/000000.png`` with the classes car and pedestrian, and the list ``val.seqmap``.

    Raises:
        OutputError: a file cannot be written.
    """
    classes = {name: KITTI_NAMES[key] for name in videos.categories if (key := name.casefold()) in KITTI_NAMES}
    lines = []
    for number, video in enumerate(videos.videos):
        folder = ensure_writable_dir(target / INSTANCES / f"{number:04d}")
        for frame, pixels in _numbered(videos, video, classes):
            atomic_write(folder / f"{frame:06d}.png", encode_png(pixels))
        videos.notes.facts[f"video {video.name} as {number:04d}"] += 1
        lines.append(f"{number:04d} empty 000000 {len(video) - 1:06d}\n")
    atomic_write(ensure_writable_dir(target) / "val.seqmap", "".join(lines))


def _numbered(
    videos: AnnotatedVideos, video: AnnotatedVideo, classes: dict[str, int]
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """Positions of the annotated frames and their pictures ``[H, W]`` uint16."""
    numbers = np.array([0, *number_tracks(videos, video.tracks, classes)], np.uint16)
    return ((frame, numbers[owners]) for frame, owners in owner_maps(videos, video))
