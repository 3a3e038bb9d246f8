"""DAVIS unsupervised (DAVIS-UVOS), straight from its folders."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.data.datasets.base import VideoDataset, VideoInfo
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
        year: 2017 for train and val of the unsupervised track, 2019 for its test sets.
        resolution: "480p" or "Full-Resolution".
        data_root: relative to the working directory; an absolute ``root`` ignores it.
        name: what reports call the dataset.

    Attributes:
        root: the folder with ``ImageSets``.
        set_name: as given.

    Raises:
        DatasetError: the list, or a listed video, is missing, or none of a video's frames can be read.
    """

    def __init__(
        self,
        root: str | Path,
        set_name: str = "val",
        year: int = 2017,
        resolution: str = "480p",
        data_root: str | Path = "data",
        name: str | None = None,
    ) -> None:
        self.root = find_davis_root(Path(data_root, root))
        self.set_name = set_name
        self.name = name or f"davis_{year}_{set_name}"
        self.categories = ("object",)
        self.category_ids = (1,)
        self.ann_file = None
        images = self.root / "JPEGImages" / resolution
        names = davis_set(self.root, set_name, year)
        self.videos = [_video(number, images / sequence) for number, sequence in enumerate(names, start=1)]

    def _source_of_sizes(self) -> str:
        return "the first frame that can be read"


def find_davis_root(path: Path) -> Path:
    """The folder with ``ImageSets``: ``path``, or two above it where ``path`` is (a link to) JPEGImages/480p.

    Raises:
        DatasetError: there is none.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is not a folder: put the folder DAVIS there, or a link to it")
    for candidate in (path, *list(path.resolve().parents)[1:2]):
        if (candidate / "ImageSets").is_dir():
            return candidate
    raise DatasetError(
        f"{path} has no ImageSets, nor is it JPEGImages/480p of a DAVIS folder: give the folder DAVIS as unpacked, or "
        "use configs/_base_/datasets/davisuvos_json.py with valid_davis.json"
    )


def davis_set(root: Path, set_name: str, year: int) -> list[str]:
    """Names of the videos of a set.

    Raises:
        DatasetError: no such list, or it is not one video name per line.
    """
    file = root / "ImageSets" / str(year) / f"{set_name}.txt"
    try:
        names = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        others = sorted(str(path.relative_to(root)) for path in (root / "ImageSets").glob("20*/*.txt"))
        raise DatasetError(
            f"{file} cannot be read: choose another set or year; there is {', '.join(others) or 'none'}"
        ) from None
    if not names or len(set(names)) < len(names):
        raise DatasetError(f"{file} lists {'a video twice' if names else 'no videos'}: it must name one per line")
    return names


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
