"""YouTube-VIS annotation files, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedTrack, AnnotatedVideos, Notes, ReadOptions
from mmdet_vis.data.formats.coco_images import is_absolute, relative_names, upright_videos
from mmdet_vis.data.formats.frame_files import images_near
from mmdet_vis.data.formats.json_files import load_annotations, write_ids_plainly
from mmdet_vis.data.formats.mask_writing import annotated_frames
from mmdet_vis.data.formats.segmentations import plain_segmentations
from mmdet_vis.data.formats.ytvis import frame_files, index_annotations, index_videos
from mmdet_vis.data.sources import is_name
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, areas

ANNOTATED_FRAMES = "annotated_frames"


def is_ytvis(content: Any) -> bool:
    """Whether the content of a JSON file looks like a YouTube-VIS annotation file."""
    if not isinstance(content, dict) or not isinstance(content.get("videos"), list) or content.get("images", []):
        return False
    return any(isinstance(video, dict) and "file_names" in video for video in content["videos"])


def tidy_ytvis(content: dict[str, Any], notes: Notes, path: Path, images: Path | None = None) -> Path | None:
    """Bring ids, masks, names and sizes of a file into the forms that the format knows, in place.

    Returns the folder of the frames, which is looked for unless ``images`` is given; None if it is not known.
    """
    write_ids_plainly(content, notes.guessed)
    plain_segmentations(content, notes)
    videos = content.get("videos")
    lists: list[Any] = [e.get("file_names") for e in videos if isinstance(e, dict)] if isinstance(videos, list) else []
    lists = [names for names in lists if isinstance(names, list) and names and all(map(is_name, names))]
    flat = [name.replace("\\", "/") for names in lists for name in names]
    if all(map(is_absolute, flat)):  # one that is so among others is refused
        plain = iter(relative_names(flat, notes, kept=1))
        for names in lists:
            names[:] = [next(plain) for _ in names]
    images = images or images_near(path, lists[0][0] if lists else None)
    if lists:
        upright_videos(content, images, notes)
    return images


def read_ytvis(path: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read a YouTube-VIS annotation file.

    Raises:
        DatasetError: the file cannot be read, or an entry is wrong.
    """
    notes = Notes()
    content = load_annotations(path, notes.guessed)
    images = tidy_ytvis(content, notes, path, options.images)
    has_objects = isinstance(content.get("annotations"), list)
    index = index_annotations(content, str(path)) if has_objects else index_videos(content, str(path))
    found = AnnotatedVideos(f"YouTube-VIS file {path}", images, ground_truth=has_objects, notes=notes)
    names = {number: found.category(name, number) for number, name in index.categories.items()}
    entries = with_bar(content["videos"], "videos", shown=options.progress)
    for position, (entry, video) in enumerate(zip(entries, index.videos.values(), strict=True)):
        files = frame_files(entry, f"{path}: video {position}")
        extra = {"exhaustive": entry["exhaustive"]} if "exhaustive" in entry else {}
        target = found.add_video(video.name, files, video.height, video.width, video.id, **extra)
        if video.annotated is not None:
            found.mark_annotated(target, video.annotated.tolist())
        objects = [item for number in index.categories for item in index.objects.get((video.id, number), [])]
        for item in sorted(objects, key=lambda item: item.id if type(item.id) is int else 0):
            found.add_track(target, names[item.category_id], item.masks.rles, item.crowd)
    return found


def ytvis_content(videos: AnnotatedVideos) -> dict[str, Any]:
    """The content of a YouTube-VIS file; ``annotations`` is null without ground truth.

    Boxes ``[x, y, width, height]`` and areas are those of the masks. A video with frames that nobody annotated has
    ``annotated_frames``, the positions of the others from 0; masks of frames that it does not list say nothing.
    """
    video_ids = _numbers([video.id for video in videos.videos])
    category_ids = dict(zip(videos.categories, _numbers(list(videos.categories.values())), strict=True))
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, video in zip(video_ids, videos.videos, strict=True):
        entry: dict[str, Any] = {"id": number, "height": video.height, "width": video.width, "length": len(video)}
        entry |= {"file_names": video.file_names, **video.extra}
        if video.annotated is not None:
            entry[ANNOTATED_FRAMES] = annotated_frames(video)
        entries.append(entry)
        for track in video.tracks:
            ids = {"id": len(annotations) + 1, "video_id": number, "category_id": category_ids[track.category]}
            annotations.append({**ids, **_track_entry(track, video.height, video.width)})
    return {
        "info": {"description": videos.source},
        "videos": entries,
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        "annotations": annotations if videos.ground_truth else None,
    }


def write_ytvis(videos: AnnotatedVideos, path: Path) -> None:
    """Write a YouTube-VIS annotation file in one step; its folder is made if need be.

    Raises:
        DatasetError: there is no video, or no category.
        OutputError: the file cannot be written.
    """
    write_json(videos, path, ytvis_content(videos))


def write_json(videos: AnnotatedVideos, path: Path, content: Mapping[str, Any]) -> None:
    """Write the content of an annotation file, if there is something in it.

    Raises:
        DatasetError: there is no video, or no category.
        OutputError: the file cannot be written.
    """
    if not videos.videos or not videos.categories:
        missing = "video" if not videos.videos else "category (no object is labelled)"
        raise DatasetError(f"{path} is not written: {videos.source} has no {missing}; check the input")
    ensure_writable_dir(path.parent)
    atomic_write(path, json.dumps(content))


def _track_entry(track: AnnotatedTrack, height: int, width: int) -> dict[str, Any]:
    rles: list[RLE | None] = track.masks
    return {
        "iscrowd": int(track.crowd),
        "height": height,
        "width": width,
        "segmentations": rles,
        "bboxes": [None if rle is None else coco_mask.toBbox(rle).tolist() for rle in rles],
        "areas": [None if rle is None else int(areas([rle])[0]) for rle in rles],
        **({} if track.score is None else {"score": track.score}),
    }


def _numbers(ids: list[int | None]) -> list[int]:
    """The ids where each has its own, else numbers from 1."""
    known = [number for number in ids if number is not None]
    return known if len(set(known)) == len(ids) else list(range(1, len(ids) + 1))
