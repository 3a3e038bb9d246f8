"""COCO files of videos: images with the numbers of their videos and frames, masks with those of their objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.mask_writing import annotated_frames
from mmdet_vis.data.formats.ytvis_json import write_json, ytvis_content


def write_coco(videos: AnnotatedVideos, path: Path, cocovid: bool = False) -> None:
    """Write images and annotations with ``track_id``, also where CVAT has it (in ``attributes``).

    As ``cocovid``, the format of MMTracking: ``videos``, and ``instance_id`` of annotations.

    Raises:
        DatasetError, OutputError: see :func:`~mmdet_vis.data.formats.ytvis_json.write_json`.
    """
    write_json(videos, path, coco_content(videos, cocovid))


def coco_content(videos: AnnotatedVideos, cocovid: bool = False) -> dict[str, Any]:
    """The content of a COCO file, or of one of CocoVID; frames that nobody annotated are no images of it."""
    content = ytvis_content(videos)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    objects = iter(content["annotations"] or ())
    for video, entry in zip(videos.videos, content["videos"], strict=True):
        first = len(images) + 1
        frames = annotated_frames(video)
        if left_out := len(video) - len(frames):
            videos.notes.left_out["frames that nobody annotated, which COCO cannot say"] += left_out
        for number, frame in enumerate(frames):
            image: dict[str, Any] = {"id": first + number, "file_name": video.file_names[frame], "height": video.height}
            image |= {"width": video.width, "video_id": entry["id"], "frame_id": number}
            images.append(image)
        for track in video.tracks:
            item = next(objects)
            named = {"instance_id": item["id"]} if cocovid else {"attributes": {"track_id": item["id"]}}
            for place, frame in enumerate(frames):
                if (rle := track.masks[frame]) is None:
                    continue
                mask = {"id": len(annotations) + 1, "image_id": first + place, "category_id": item["category_id"]}
                mask |= {"segmentation": rle, "area": item["areas"][frame], "bbox": item["bboxes"][frame]}
                mask |= {"iscrowd": item["iscrowd"], "track_id": item["id"], **named}
                mask |= {"video_id": entry["id"]} if cocovid else {}
                mask |= {"score": track.score} if track.score is not None else {}
                annotations.append(mask)
    parts: dict[str, Any] = {"info": content["info"], "images": images}
    if cocovid:
        names = zip(videos.videos, content["videos"], strict=True)
        parts["videos"] = [
            {"id": e["id"], "name": v.name, "height": v.height, "width": v.width, "length": len(v)} for v, e in names
        ]
    return {**parts, "categories": content["categories"], "annotations": annotations}
