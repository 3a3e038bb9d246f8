"""Finding all that is wrong with a dataset, where loading it would stop at the first fault."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet_vis.data.check.objects import check_boxes, check_masks
from mmdet_vis.data.formats.annotated import AnnotatedVideos, Notes
from mmdet_vis.data.formats.davis_layout import IMAGES, davis_set, find_davis_root, mask_folder, note_other_sets
from mmdet_vis.data.formats.frame_files import image_size
from mmdet_vis.data.formats.identify import describe_json
from mmdet_vis.data.formats.index_pngs import add_index_video
from mmdet_vis.data.formats.json_files import fields
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.data.formats.ytvis import frame_files, read_video
from mmdet_vis.data.formats.ytvis_json import ytvis_content
from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.data.sources.orientation import TURNED, file_orientation
from mmdet_vis.errors import DatasetError, SourceError, UserError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE


@dataclass(frozen=True)
class Problem:
    """What is wrong: a kind that many share, and one line that names the entry or file."""

    kind: str
    text: str


@dataclass
class CheckedObject:
    """An object without a fault: T masks, None where it is not visible."""

    category_id: int
    masks: list[RLE | None]


@dataclass
class CheckedVideo:
    """A video without a fault in its entry: its frame files, which of them are whole, and its faultless objects."""

    id: int
    height: int
    width: int
    files: list[Path]
    readable: list[bool] = field(default_factory=list)
    objects: list[CheckedObject] = field(default_factory=list)


@dataclass
class DatasetReport:
    """What a dataset holds and what is wrong with it.

    Attributes:
        name: of the annotation file or folder.
        videos: by id, those without a fault in their entry.
        categories: names by id.
        num_videos, num_objects: as many as are listed, with or without faults.
        num_frames: of the videos in ``videos``.
        annotated: False for a set without ground truth.
        problems: in the order in which they were found.
        notes: what is no fault, but was left out or taken for something, and how often.
        doubts: what was left out or guessed when the annotations were read, as one line; empty if nothing was.
        format: of the annotations, by its name.
    """

    name: str
    videos: dict[int, CheckedVideo] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    num_videos: int = 0
    num_frames: int = 0
    num_objects: int = 0
    annotated: bool = False
    problems: list[Problem] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    doubts: str = ""
    format: str = "ytvis"

    def add(self, kind: str, text: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, text))

    @contextmanager
    def noting(self, kind: str, error_type: type[UserError] = DatasetError) -> Iterator[None]:
        """Note an error that ends the block as a problem."""
        try:
            yield
        except error_type as error:
            self.add(kind, str(error))


def check_ytvis(ann_file: str | Path, img_prefix: str | Path | None = None, progress: bool = False) -> DatasetReport:
    """Check a dataset in the YouTube-VIS format, every frame and every mask; or one of another, as it is read.

    The folder of the frames, ``img_prefix``, is looked for unless it is given.

    Raises:
        DatasetError: the file or the folder cannot be read at all.
    """
    if img_prefix is not None and not os.path.isdir(img_prefix):
        raise DatasetError(f"{img_prefix} is not a folder: give the one that the frames' names are relative to")
    opened = open_annotations(ann_file, None if img_prefix is None else Path(img_prefix), progress)
    report = DatasetReport(str(ann_file), doubts=opened.notes.doubts(), format=opened.format)
    for kind in ("left_out", "guessed", "facts"):
        report.notes += getattr(opened.notes, kind)
    if not isinstance(opened.content.get("videos"), list):
        described = describe_json(opened.content, ann_file)
        raise DatasetError(f"{ann_file} is not a YouTube-VIS annotation file: {described}")
    return _check(opened.content, opened.image_folder(Path(ann_file)), report, progress)


def check_davis(
    root: str | Path, set_name: str = "val", year: int | None = None, resolution: str = "480p", progress: bool = False
) -> DatasetReport:
    """Check the frames of a set of a DAVIS folder, and its index PNGs if there are any.

    Raises:
        DatasetError: there is no such folder or set.
    """
    root = find_davis_root(Path(root))
    names = davis_set(root, set_name, year)
    report = DatasetReport(" ".join([str(root), set_name, *([] if year is None else [str(year)])]))
    images, (pngs, note) = root / IMAGES / resolution, mask_folder(root, resolution)
    annotated = any(any((pngs / name).glob("*.png")) for name in names)
    found = AnnotatedVideos(report.name, images, ground_truth=annotated)
    found.category("object")
    note_other_sets(found.notes, pngs if annotated else images, names)
    if annotated and note:
        found.notes.guessed[note] += 1
    for name in names:
        with report.noting("index PNGs and frames"), report.noting("unreadable frames", SourceError):
            if annotated:
                add_index_video(found, name, pngs / name, images)
            elif files := list_images(images / name)[0]:
                found.add_video(name, [f"{name}/{file.name}" for file in files], *image_size(files[0]))
            else:
                report.add("missing frames", f"{images / name} holds no images")
    for video in found.videos:
        if video.annotated is not None:  # DAVIS annotates every frame.
            missing = video.file_names[video.annotated.index(False)]
            report.add("index PNGs and frames", f"{images / missing} has no index PNG in {pngs / video.name}")
    report.notes += found.notes.guessed
    report.doubts = found.notes.doubts()
    return _check(ytvis_content(found), images, report, progress, extra_videos=len(names) - len(found.videos))


def _check(
    content: dict[str, Any], folder: Path, report: DatasetReport, progress: bool, extra_videos: int = 0
) -> DatasetReport:
    videos, categories, objects = (content.get(key) for key in ("videos", "categories", "annotations"))
    for key, value in (("videos", videos), ("categories", categories), ("annotations", objects)):
        if not isinstance(value, list) and not (key == "annotations" and value is None):
            raise DatasetError(f"{report.name} has no list '{key}': give a YouTube-VIS annotation file")
    report.num_videos = len(videos or ()) + extra_videos
    report.annotated = objects is not None
    report.num_objects = len(objects or ())
    for position, entry in enumerate(categories or ()):
        with report.noting("bad entries"):
            _check_category(entry, f"category {position}", report)
    for position, entry in enumerate(videos or ()):
        with report.noting("bad entries"):
            _check_video(entry, f"video {position}", folder, report)
    for video in with_bar(report.videos.values(), "videos", shown=progress):
        report.num_frames += len(video.files)
        video.readable = [_check_frame(file, video, report) for file in video.files]
    ids: set[int] = set()
    for position, entry in enumerate(with_bar(objects or (), "objects", shown=progress)):
        with report.noting("bad entries"):
            _check_object(entry, f"annotation {position}", ids, report)
    if report.annotated:
        labelled = {str(entry.get("video_id")) for entry in objects or () if isinstance(entry, dict)}
        notes = Notes()
        notes.name_unlabelled(
            [v.files[0].parent.name for v in report.videos.values() if v.files and str(v.id) not in labelled]
        )
        report.notes += notes.facts
    return report


def _check_category(entry: Any, label: str, report: DatasetReport) -> None:
    (number,) = fields(entry, {"id": int}, label)
    if number in report.categories:
        report.add("duplicate ids", f"{label} has the id {number} of another category")
    elif not isinstance(entry.get("name"), str):
        report.add("bad entries", f"{label} (id {number}) has no name")
    elif entry["name"] in report.categories.values():
        report.add("duplicate ids", f"{label} (id {number}) has the name {entry['name']!r:.40} of another category")
    report.categories.setdefault(number, str(entry.get("name", number)))


def _check_video(entry: Any, label: str, folder: Path, report: DatasetReport) -> None:
    video = read_video(entry, label)
    files = frame_files(entry, f"{label} (id {video.id})")
    if video.id in report.videos:
        report.add("duplicate ids", f"{label} has the id {video.id} of another video")
        return
    if any("\\" in name for name in entry["file_names"]):
        report.notes["videos with frame names of Windows (\\ taken as /)"] += 1
    if video.annotated is not None:
        report.notes["frames that nobody annotated (skipped by training and evaluation)"] += int(
            (~video.annotated).sum()
        )
    report.videos[video.id] = CheckedVideo(video.id, video.height, video.width, [folder / file for file in files])


def _check_frame(file: Path, video: CheckedVideo, report: DatasetReport) -> bool:
    """Whether a frame's file is whole and has the video's size."""
    if not os.path.isfile(file):  # Path.is_file() fails for names too long
        report.add("missing frames", f"{file} does not exist (video {video.id})")
        return False
    try:
        source = ImageFilesSource([file], file.stem)
    except SourceError as error:
        report.add("unreadable frames", f"{error} (video {video.id})")
        return False
    turned = file_orientation(file)
    if (source.height, source.width) != (video.height, video.width):
        sizes = f"{source.width}x{source.height}, video {video.id} is {video.width}x{video.height}"
        if turned >= TURNED and (source.width, source.height) == (video.height, video.width):
            sizes += (
                f": its Exif orientation ({turned}) turns the picture, which was annotated as it is stored; turn the "
                f"masks with 'mmdet-vis convert {report.name} NEW.json --images FRAMES', or remove the tag"
            )
        elif turned > 1:
            sizes += f" (its Exif orientation, {turned}, turns the picture)"
        report.add("wrong image sizes", f"{file} is {sizes}")
        return False
    if turned > 1 and (turned < TURNED or source.height == source.width):
        report.notes[
            "frames with an Exif orientation, whose size does not show whether they were annotated as stored or as "
            "shown (they are taken as shown: look at the contact sheet)"
        ] += 1
    return True


def _check_object(entry: Any, label: str, ids: set[int], report: DatasetReport) -> None:
    object_id, video_id, category_id = fields(entry, dict.fromkeys(("id", "video_id", "category_id"), int), label)
    label = f"{label} (id {object_id})"
    before = len(report.problems)
    if object_id in ids:
        report.add("duplicate ids", f"{label} has the id of another annotation")
    ids.add(object_id)
    for kind, number, known in (("video", video_id, report.videos), ("category", category_id, report.categories)):
        if number not in known:
            report.add("unknown ids", f"{label} has {kind}_id {number}, which no {kind} (without faults) has")
    if video_id not in report.videos:
        return
    video = report.videos[video_id]
    length = len(video.files)
    lists = {key: entry.get(key) for key in ("segmentations", "bboxes", "areas")}
    for key, values in lists.items():
        if values is None and key != "segmentations":
            continue
        if not isinstance(values, list) or len(values) != length:
            found = len(values) if isinstance(values, list) else "no list of"
            report.add("wrong list lengths", f"{label} has {found} {key}, video {video_id} has {length} frames")
    masks: list[RLE | None] = []
    if isinstance(lists["segmentations"], list):
        masks, faults = check_masks(lists["segmentations"], video.height, video.width)
        for frame, reason in faults:
            report.add("bad masks", f"{label} has a mask for frame {frame} that {reason}")
    if isinstance(lists["bboxes"], list):
        for frame, reason in check_boxes(lists["bboxes"], lists["segmentations"], video.height, video.width):
            report.add("bad boxes", f"{label} has a box for frame {frame} that {reason}")
    if len(report.problems) == before:
        video.objects.append(CheckedObject(category_id, masks))
