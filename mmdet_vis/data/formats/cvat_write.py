"""Annotations as "CVAT for video 1.1": what CVAT imports with "Upload annotations"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from mmdet_vis.data.formats.annotated import NOT_ANNOTATED, AnnotatedTrack, AnnotatedVideo, AnnotatedVideos
from mmdet_vis.data.formats.cvat import ANNOTATIONS
from mmdet_vis.data.formats.frame_files import copy_frames
from mmdet_vis.data.formats.shapes import mask_box
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.structures import RLE

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_cvat(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``target/<video>/annotations.xml``, and known frames as ``images/frame_NNNNNN`` beside it.

    CVAT has no tracks of masks: as in its own exports, a mask is a track of one frame, and those of one object have one
    ``group_id``. All frames count as annotated.

    Raises:
        OutputError: a file cannot be written.
    """
    for video in videos.videos:
        folder = ensure_writable_dir(target / video.name)
        copy_frames(videos, video, ensure_writable_dir(folder / "images"), "frame_")
        if video.annotated is not None:
            videos.notes.left_out[NOT_ANNOTATED] += len(video) - sum(video.annotated)
        if any(track.score is not None for track in video.tracks):
            videos.notes.left_out["scores, which CVAT does not have"] += len(video.tracks)
        tree = _document(video, list(videos.categories))
        atomic_write(folder / ANNOTATIONS, b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(tree, "utf-8"))


def _document(video: AnnotatedVideo, categories: Sequence[str]) -> Element:
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    head = {"name": video.name, "size": len(video), "mode": "interpolation", "start_frame": 0}
    for key, value in {**head, "stop_frame": len(video) - 1, "frame_filter": ""}.items():
        SubElement(task, key).text = _text(str(value))
    labels = SubElement(task, "labels")
    for name in categories:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = _text(name)
        SubElement(label, "attributes")
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(video.width), str(video.height)
    number = 0
    for group, track in enumerate(video.tracks, 1):
        number = _add_track(root, track, group, number)
    return root


def _add_track(root: Element, track: AnnotatedTrack, group: int, number: int) -> int:
    """Add a track for each mask of an object; returns the number of the next one."""
    for frame, rle in enumerate(track.masks):
        if rle is None:
            continue
        attributes = {"id": str(number), "label": _text(track.category), "source": "file", "group_id": str(group)}
        element = SubElement(root, "track", attributes)
        number += 1
        shape = _shape(rle)
        for place, outside in ((frame, "0"), (frame + 1, "1")):
            if place < len(track.masks):
                keys = {"frame": str(place), "keyframe": "1", "outside": outside, "occluded": "0", "z_order": "0"}
                SubElement(element, "mask", {**keys, **shape})
    return number


def _shape(rle: RLE) -> dict[str, str]:
    """CVAT's run lengths of a mask: row by row in its box, beginning with background."""
    left, top, pixels = mask_box(rle)
    flat = pixels.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    runs = [0, *runs] if flat[0] else runs
    box = {"left": left, "top": top, "width": pixels.shape[1], "height": pixels.shape[0]}
    return {"rle": ", ".join(map(str, runs)), **{key: str(value) for key, value in box.items()}}


def _text(value: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("_", value)
