"""Datasets with an annotation file: YouTube-VIS 2019, 2021 and 2022, OVIS, and users' own, in any format."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mmdet_vis.data.categories import plain_name, resolve_categories
from mmdet_vis.data.datasets.base import Submission, VideoDataset, VideoInfo, unique_video_names, video_names
from mmdet_vis.data.formats.opening import OpenedAnnotations, open_below
from mmdet_vis.data.formats.ytvis import Annotations, frame_files, index_videos, is_id
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.registry import DATASETS

_LOGGER = logging.getLogger(__name__)
OtherCategories = Literal["ignore", "error"]
# How many of the network's classes a message names.
NAMED = 5


@DATASETS.register_module()
class YTVISDataset(VideoDataset):
    """Videos of an annotation file in the YouTube-VIS format; its ``annotations`` may be missing or null.

    Annotations in any other format are read as ``mmdet-vis convert`` reads them.

    Args:
        ann_file: file (or folder or archive, in other formats), relative to ``data_root``.
        img_prefix: folder that the file's ``file_names`` are relative to, itself relative to ``data_root``; None: the
            frames are where the format has them, or beside the file.
        categories: the network's classes in their order: names, or the name of a benchmark. They are found in the
            file by name, in whatever order and with whatever ids it has them; it may lack some. None: the classes in
            the file's order.
        data_root: relative to the working directory; absolute paths of the other arguments ignore it.
        name: what reports call the dataset; the file's name without ending by default.
        submission: the benchmark whose server takes the results, "ytvis" or "davis".
        other_categories: "ignore": categories of the file that are not wanted are left out, with a warning; "error":
            if they have objects, that is an error.

    Raises:
        DatasetError: the file or folder is missing, the file is not in this format, or has none of the categories.
        ConfigError: ``categories`` or ``submission`` is not the name of a benchmark.
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path | None = None,
        categories: str | Sequence[str] | None = None,
        data_root: str | Path = "data",
        name: str | None = None,
        submission: Submission = "ytvis",
        other_categories: OtherCategories = "ignore",
    ) -> None:
        if submission not in get_args(Submission):
            raise ConfigError(f"test.dataset: submission={submission!r} is not known: use 'ytvis' or 'davis'")
        self.submission = submission
        self.ann_file, opened = open_below(data_root, ann_file, img_prefix)
        self.name = name or self.ann_file.stem
        self.doubts = opened.notes.doubts()
        content = opened.content
        index = index_videos(content, str(self.ann_file))
        self.categories = tuple(index.categories.values())
        self.category_ids: tuple[int | None, ...] = tuple(index.categories)
        if categories is not None:
            self.categories = resolve_categories(categories)
            self.category_ids = find_categories(
                self.categories, index.categories, self.ann_file, content.get("annotations"), other_categories
            )
        self.videos = listed_videos(opened, index, self.ann_file)


def listed_videos(opened: OpenedAnnotations, index: Annotations, path: Path) -> list[VideoInfo]:
    """The videos of annotations that were opened, with their names and the files of their frames.

    Raises:
        DatasetError: the folder of the frames is not known, or the frames of a video are not listed.
    """
    folder = opened.image_folder(path)
    files = [frame_files(entry, f"{path}: video {n}") for n, entry in enumerate(opened.content["videos"])]
    names = video_names(list(index.videos), files) if opened.names is None else unique_video_names(opened.names)
    return [
        VideoInfo(video.id, name, video.height, video.width, tuple([folder / file for file in frames]))
        for video, name, frames in zip(index.videos.values(), names, files, strict=True)
    ]


def find_categories(
    wanted: Sequence[str],
    found: Mapping[int, str],
    file: Path,
    annotations: Any = None,
    others: OtherCategories = "ignore",
) -> tuple[int | None, ...]:
    """Ids in the file of the categories ``wanted``, None for those that it lacks.

    Names are compared without regard to case, spaces and underscores. Other categories of the file are left out, and
    a warning says how many objects they have.

    Args:
        wanted: names of the network's classes.
        found: names by id, as the file has them.
        annotations: the file's entries of objects, which are counted for the warning.
        others: "error": other categories with objects are an error.

    Raises:
        DatasetError: the file has none of these categories, two of one name, or others that are not ignored.
    """
    if len(wanted) == len(found) == 1:  # Class-agnostic: what the one category is called says nothing.
        return tuple(found)
    ids = {plain_name(name): category_id for category_id, name in found.items()}
    if len(ids) < len(found):
        raise DatasetError(f"{file}: two categories have the same name: names must be unique")
    known = {plain_name(name) for name in wanted}
    extra = {number: name for number, name in found.items() if plain_name(name) not in known}
    numbers = Counter(
        entry["category_id"]
        for entry in (annotations if isinstance(annotations, list) else ())
        if isinstance(entry, dict) and is_id(entry.get("category_id"), extra)
    )
    first = ", ".join(wanted[:NAMED]) + (" ..." if len(wanted) > NAMED else "")
    if extra and (len(extra) == len(found) or (others == "error" and numbers)):
        named = ", ".join(list(extra.values())[:NAMED]) + (" ..." if len(extra) > NAMED else "")
        raise DatasetError(
            f"{file}: its categories are not among those of the config: it has {named}; correct their "
            f"names, use the config for this dataset, or set its 'categories' (now {first})"
        )
    if extra:
        used = ", ".join(f"{extra[number]:.60}: {count}" for number, count in numbers.most_common(NAMED)) or "none"
        _LOGGER.warning(
            "%s: left out %d categories that the config does not have, with %d objects (%s)",
            file, len(extra), numbers.total(), used,
        )  # fmt: skip
    return tuple(ids.get(plain_name(name)) for name in wanted)


def of_categories(content: dict[str, Any], category_ids: Sequence[int | None]) -> dict[str, Any]:
    """The content of an annotation file without its categories that have none of these ids, and their objects."""
    listed = content.get("categories")
    others = {
        entry["id"]
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and type(entry.get("id")) is int
    } - set(category_ids)
    if not others:
        return content
    parts = {}
    for part, key in (("categories", "id"), ("annotations", "category_id")):
        entries = content.get(part)
        if isinstance(entries, list):
            parts[part] = [e for e in entries if not (isinstance(e, dict) and is_id(e.get(key), others))]
    return {**content, **parts}
