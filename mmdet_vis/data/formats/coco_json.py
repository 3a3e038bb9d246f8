"""COCO instance files of video frames, read and written: objects with a track number, CocoVID, and still images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import DEFAULTS, PARTS, AnnotatedVideo, AnnotatedVideos, Notes, ReadOptions
from mmdet_vis.data.formats.coco import check_ids, check_lists, read_categories, read_images
from mmdet_vis.data.formats.coco_images import tidy, upright_sizes
from mmdet_vis.data.formats.coco_videos import distinct_frames, group_videos
from mmdet_vis.data.formats.frame_files import images_near
from mmdet_vis.data.formats.json_files import load_annotations, track_of
from mmdet_vis.data.formats.segmentations import plain_segmentation
from mmdet_vis.data.formats.shapes import merge_masks
from mmdet_vis.errors import DatasetError
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle

_NO_TRACK = -1
"""The number that programs give what they do not follow."""
_TRIED = 10
"""Images that are looked for in the folders near a file."""
_LOOKED_AT = 10**4
"""Annotations that are looked into for what links them."""


def is_coco(content: Any) -> bool:
    """Whether the content of a JSON file looks like COCO instances."""
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def has_tracks(content: dict[str, Any]) -> bool:
    """Whether an annotation of a COCO file says which object of its video it is."""
    return any(isinstance(entry, dict) and _track_id(entry) is not None for entry in content["annotations"])


def read_coco(path: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read a COCO instances file.

    With track numbers (``track_id`` or ``instance_id``, also among the ``attributes`` of CVAT), images make videos: by
    ``video_id``, else by their folder. Without, or with ``repeat``, every image is a video. Ids of categories, and of
    images that are videos, stay; so do ``iscrowd`` of objects and ``exhaustive`` of images. Polygons of fewer than 3
    points enclose nothing: they are left out and counted.

    Raises:
        DatasetError: the file cannot be read, or an entry is wrong.
    """
    notes, repeat = Notes(), options.repeat
    content = load_annotations(path, notes.guessed)
    check_lists(content, path, "annotations")
    names = tidy(content, notes)
    images = options.images or next((near for name in names[:_TRIED] if (near := images_near(path, name))), None)
    found = AnnotatedVideos(f"COCO file {path.name}", images, notes=notes)
    # Names of categories in two spellings have been joined by now.
    categories = {number: found.category(name, number) for number, name in read_categories(content, path).items()}
    entries = upright_sizes(list(read_images(content, path, images)), content["annotations"], images, notes)
    tracked = repeat is None and has_tracks(content)
    if not tracked and repeat is None and len(entries) > 1:
        if (key := _links(content["annotations"])) is None:
            notes.facts["images, each of which is a video of one frame (no annotation has a track_id)"] += len(entries)
        else:
            notes.guessed[
                f"images, each taken as a video of one frame (no annotation has a track_id; {key!r:.40} has the same "
                "values in several images: call it track_id if it tells objects apart)"
            ] += len(entries)
    groups = group_videos(entries, content.get("videos"), found.notes, path) if tracked else [[e] for e in entries]
    places: dict[Hashable, tuple[AnnotatedVideo, int]] = {}
    for members in groups:
        group, frame_of = distinct_frames(members, found.notes)
        first = group[0]
        extra = {"exhaustive": first.entry["exhaustive"]} if not tracked and "exhaustive" in first.entry else {}
        names = [item.file for item in group] * (repeat or 1)
        number = first.id if not tracked and type(first.id) is int else None
        video = found.add_video(first.video, names, first.height, first.width, number, **extra)
        places |= {item.id: (video, frame) for item, frame in zip(members, frame_of, strict=True)}
    tracks = _Tracks(several=_several(content["annotations"], places) if tracked else set())
    for position, annotation in enumerate(with_bar(content["annotations"], "objects", shown=options.progress)):
        label = f"{path}: annotation {position}"
        _add_annotation(found, tracks, annotation, places, categories, tracked, label)
    tracks.finish(found, repeat or 1)
    return found


@dataclass
class _Tracks:
    """Masks by track: of a video, with its number there; and the category, by name, and whether it is a crowd."""

    several: set[Hashable] = field(default_factory=set)
    """Tracks that a frame has in two categories: their numbers are those of a category each."""
    parts: dict[Hashable, defaultdict[int, list[RLE]]] = field(default_factory=dict)
    of: dict[Hashable, tuple[AnnotatedVideo, str, bool]] = field(default_factory=dict)

    def finish(self, found: AnnotatedVideos, repeat: int) -> None:
        for key, frames in self.parts.items():
            video, category, crowd = self.of[key]
            length = len(video) // repeat
            masks = [merge_masks(frames.get(frame, [])) for frame in range(length)]
            found.add_track(video, category, masks * repeat, crowd)


def _links(annotations: list[Any]) -> str | None:
    """The key of annotations that looks as if it said which object of its video each is; None if there is none."""
    images: defaultdict[str, defaultdict[Any, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for entry in annotations[:_LOOKED_AT]:
        attributes = entry.get("attributes") if isinstance(entry, dict) else None
        for part in (entry, attributes):
            for key, value in part.items() if isinstance(part, dict) else ():
                if type(value) in (int, str, float) and _LINK.fullmatch(key) and isinstance(entry.get("image_id"), int):
                    images[key][value].add(entry["image_id"])
    return next((key for key, of in images.items() if any(len(shown) > 1 for shown in of.values())), None)


_LINK = re.compile(
    r"(obj(ect)?|inst(ance)?|tracklet|trajectory|identity)([ _-]?(id|no|nr|num|number|uuid))?"
    r"|(person|target|entity|t|o|p)[ _-]?(id|no|nr|num|number|uuid)",
    re.IGNORECASE,
)
"""Keys that may name an object of a video, and may say something else."""


def _several(annotations: list[Any], places: dict[Hashable, tuple[AnnotatedVideo, int]]) -> set[Hashable]:
    """The tracks, each with its video, that are in one frame in several categories."""
    known: dict[Hashable, Any] = {}
    found: set[Hashable] = set()
    for entry in annotations:
        image = entry.get("image_id") if isinstance(entry, dict) else None
        if isinstance(image, Hashable) and image in places and (track := _track_id(entry)) is not None:
            video, frame = places[image]
            if known.setdefault((id(video), track, frame), entry.get("category_id")) != entry.get("category_id"):
                found.add((id(video), track))
    return found


def _add_annotation(
    found: AnnotatedVideos,
    tracks: _Tracks,
    annotation: Any,
    places: dict[Hashable, tuple[AnnotatedVideo, int]],
    categories: dict[Any, str],
    tracked: bool,
    label: str,
) -> None:
    check_ids(annotation, places, categories, label)
    video, frame = places[annotation["image_id"]]
    category, crowd = categories[annotation["category_id"]], bool(annotation.get("iscrowd", 0))
    track = _track_id(annotation) if tracked else None
    if tracked and track is None:
        found.notes.guessed["masks without a track_id, each taken as an object of one frame"] += 1
    if crowd and _is_brushed(annotation):
        found.notes.guessed['masks with "iscrowd" that CVAT drew with its brush (taken as one object)'] += 1
        crowd = False
    key: Hashable = (id(video), track) if track is not None else len(tracks.of)
    if key in tracks.several:
        key = (key, category)
        found.notes.guessed["masks of a track that has several categories in one frame (an object of each)"] += 1
    known = tracks.of.setdefault(key, (video, category, crowd))
    if known[1] != category:
        found.notes.guessed["masks of another category than their track's first one, which counts"] += 1
    if known[2] != crowd:
        found.notes.guessed['masks with another "iscrowd" than their track\'s first one, which counts'] += 1
    frames = tracks.parts.setdefault(key, defaultdict(list))
    segmentation = plain_segmentation(annotation.get("segmentation"), found.notes)
    if segmentation in (None, []) and annotation.get("bbox"):
        found.notes.left_out["boxes without a mask"] += 1
    rle = _mask(segmentation, video.height, video.width, label)
    if rle is not None:
        if frames[frame]:
            found.notes.guessed[PARTS] += 1
        frames[frame].append(rle)


def _track_id(annotation: dict[str, Any]) -> int | str | None:
    number = track_of(annotation)
    return None if number == _NO_TRACK else number


def _is_brushed(annotation: dict[str, Any]) -> bool:
    """Whether CVAT wrote a mask: it gives what is no polygon an ``iscrowd``, whatever it shows."""
    attributes = annotation.get("attributes")
    return isinstance(attributes, dict) and "occluded" in attributes and isinstance(annotation["segmentation"], dict)


def _mask(segmentation: Any, height: int, width: int, label: str) -> RLE | None:
    try:
        return checked_rle(segmentation, height, width)
    except InvalidMaskError as error:
        raise DatasetError(f"{label} has a segmentation that {error.reason}: correct the file") from None
