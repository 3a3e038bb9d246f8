"""Datasets in the YouTube-VIS format: YouTube-VIS 2019, 2021 and 2022, OVIS, and users' own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.datasets.base import Submission, VideoDataset, VideoInfo
from mmdet_vis.data.datasets.names import video_names
from mmdet_vis.data.formats.json_files import load_annotations
from mmdet_vis.data.formats.ytvis import index_videos
from mmdet_vis.data.sources import is_inside, is_name
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.registry import DATASETS

# How many of the network's classes a message names.
NAMED = 5


@DATASETS.register_module()
class YTVISDataset(VideoDataset):
    """Videos of an annotation file in the YouTube-VIS format; its ``annotations`` may be missing or null.

    Args:
        ann_file: JSON file, relative to ``data_root``.
        img_prefix: folder that the file's ``file_names`` are relative to, itself relative to ``data_root``.
        categories: the network's classes in their order: names, or the name of a benchmark. They are found in the
            file by name, in whatever order and with whatever ids it has them; it may lack some, but have no others.
            None: the classes in the file's order.
        data_root: relative to the working directory; absolute paths of the other arguments ignore it.
        name: what reports call the dataset; the file's name without ending by default.
        submission: the benchmark whose server takes the results, "ytvis" or "davis".

    Raises:
        DatasetError: the file or folder is missing, the file is not in this format, or it has other categories.
        ConfigError: ``categories`` or ``submission`` is not the name of a benchmark.
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path,
        categories: str | Sequence[str] | None = None,
        data_root: str | Path = "data",
        name: str | None = None,
        submission: Submission = "ytvis",
    ) -> None:
        if submission not in get_args(Submission):
            raise ConfigError(f"test.dataset: submission={submission!r} is not known: use 'ytvis' or 'davis'")
        self.submission = submission
        self.ann_file: Path = Path(data_root, ann_file)
        folder = Path(data_root, img_prefix)
        self.name = name or self.ann_file.stem
        content = load_annotations(self.ann_file)
        index = index_videos(content, str(self.ann_file))
        self.categories = tuple(index.categories.values())
        self.category_ids: tuple[int | None, ...] = tuple(index.categories)
        if categories is not None:
            self.categories = resolve_categories(categories)
            self.category_ids = find_categories(self.categories, index.categories, self.ann_file)
        if not folder.is_dir():
            raise DatasetError(f"{folder} is not a folder: put the frames of {self.ann_file} there, or a link to them")
        files = [frame_files(entry, f"{self.ann_file}: video {n}") for n, entry in enumerate(content["videos"])]
        names = video_names(list(index.videos), files)
        self.videos = [
            VideoInfo(video.id, name, video.height, video.width, tuple([folder / file for file in frames]))
            for video, name, frames in zip(index.videos.values(), names, files, strict=True)
        ]

    def _source_of_sizes(self) -> str:
        return str(self.ann_file)


def frame_files(entry: dict[str, Any], label: str) -> list[str]:
    """Frame files of an entry of ``videos`` whose numbers are checked; ``label`` names it in messages.

    Raises:
        DatasetError: they are missing, not as many as its ``length``, or lead out of the image folder.
    """
    names = entry.get("file_names")
    if not isinstance(names, list) or not names or not all(map(is_name, names)):
        raise DatasetError(f"{label} has no list 'file_names' with the names of its frames: correct the file")
    for name in names:
        if not is_inside(name):
            raise DatasetError(
                f"{label} has {name!r:.60} among its file_names, which is no path below the image folder: correct the "
                "file, or make the folder (a link to) the one that all names are below"
            )
    if entry.get("length", len(names)) != len(names):
        raise DatasetError(f"{label} has length {entry['length']} but {len(names)} file_names: correct the file")
    return names


def find_categories(wanted: Sequence[str], found: dict[int, str], file: Path) -> tuple[int | None, ...]:
    """Ids in the file of the categories ``wanted``, None for those that it lacks.

    Names are compared without regard to case, spaces and underscores.

    Args:
        wanted: names of the network's classes.
        found: names by id, as the file has them.
        file: for messages.

    Raises:
        DatasetError: the file has other categories, or two of one name.
    """
    if len(wanted) == len(found) == 1:  # Class-agnostic: what the one category is called says nothing.
        return tuple(found)
    ids = {_plain(name): category_id for category_id, name in found.items()}
    if len(ids) < len(found):
        raise DatasetError(f"{file}: two categories have the same name: names must be unique")
    known = {_plain(name) for name in wanted}
    extra = [name for name in found.values() if _plain(name) not in known]
    if extra:
        raise DatasetError(
            f"{file}: its categories are not among those of the config: it has {', '.join(extra)}; correct their "
            f"names, use the config for this dataset, or set its 'categories' (now {', '.join(wanted[:NAMED])}"
            f"{' ...' if len(wanted) > NAMED else ''})"
        )
    return tuple(ids.get(_plain(name)) for name in wanted)


def _plain(name: str) -> str:
    return name.casefold().replace(" ", "_").replace("-", "_")
