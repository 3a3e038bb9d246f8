"""DAVIS unsupervised (DAVIS-UVOS), straight from its folders."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.data.datasets.base import VideoDataset, VideoInfo
from mmdet_vis.data.formats.davis_layout import IMAGES, davis_set, find_davis_root
from mmdet_vis.data.sources import ImageFilesSource
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import DatasetError, SourceError
from mmdet_vis.registry import DATASETS


@DATASETS.register_module()
class DAVISDataset(VideoDataset):
    """The videos that ``ImageSets/<year>/<set_name>.txt`` of a DAVIS folder lists.

    They are numbered from 1 in the order of that list, and have one category, "object".

    Args:
        root: the folder with ``ImageSets`` and ``JPEGImages/<resolution>``, or (a link to) that
            ``JPEGImages/<resolution>`` itself; relative to ``data_root``.
        set_name: "train", "val", "test-dev" or "test-challenge".
        year: by default 2019 for the test sets and 2017 for others, see :func:`davis_set`.
        resolution: "480p" or "Full-Resolution".
        data_root: relative to the working directory; an absolute ``root`` ignores it.
        name: what reports call the dataset.

    Attributes:
        root: the folder with ``ImageSets``.
        set_name, year, resolution: as given.

    Raises:
        DatasetError: the list, or a listed video, is missing, or none of a video's frames can be read.
    """

    def __init__(
        self,
        root: str | Path,
        set_name: str = "val",
        year: int | None = None,
        resolution: str = "480p",
        data_root: str | Path = "data",
        name: str | None = None,
    ) -> None:
        self.root = find_davis_root(Path(data_root, root))
        self.set_name = set_name
        self.year = year
        self.resolution = resolution
        self.name = name or "_".join(["davis", *([] if year is None else [str(year)]), set_name])
        self.categories = ("object",)
        self.category_ids = (1,)
        self.ann_file = None
        self.submission = "davis"
        images = self.root / IMAGES / resolution
        names = davis_set(self.root, set_name, year)
        self.videos = [_video(number, images / sequence) for number, sequence in enumerate(names, start=1)]


def _video(number: int, folder: Path) -> VideoInfo:
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist: unpack the images of all listed videos")
    frames, _ = list_images(folder)
    for frame in frames:
        # A broken first frame is reported when the video is opened; the others can still be used.
        try:
            source = ImageFilesSource([frame], folder.name)
        except SourceError:
            continue
        return VideoInfo(number, folder.name, source.height, source.width, tuple(frames))
    raise DatasetError(f"{folder} holds no frame that can be read: unpack the images again")
