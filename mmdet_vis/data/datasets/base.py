"""What every dataset offers: its videos, its categories, and the frames of a video when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmdet_vis.data.sources import FrameSource, ImageFilesSource
from mmdet_vis.errors import SourceError

Submission = Literal["ytvis", "davis"]


@dataclass(frozen=True)
class VideoInfo:
    """A video of a dataset; building one opens no frame.

    Attributes:
        id: id in the annotation file; results refer to the video by it.
        name: unique in the dataset, usable as the name of a file or folder.
        height: of its frames in pixels.
        width: of its frames in pixels.
        frames: T image files in the order of the annotations, the dataset's image folder included.
    """

    id: int
    name: str
    height: int
    width: int
    frames: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.frames)


class VideoDataset(ABC):
    """Videos with categories.

    Attributes:
        name: what reports call the dataset.
        categories: C names, in the order of the network's classes (class 1 is ``categories[0]``).
        category_ids: C ids of these categories in the annotation file, by which results refer to them; None for a
            category that the file lacks, of which there are no results.
        videos: in the order of the annotation file.
        ann_file: annotation file in the YouTube-VIS format; None where the dataset has none.
        doubts: what was left out or guessed when the annotations were read, as one line; empty if nothing was.
        submission: the benchmark whose server takes the results: "ytvis" (JSON) or "davis" (index PNGs).
    """

    name: str
    categories: tuple[str, ...]
    category_ids: tuple[int | None, ...]
    videos: list[VideoInfo]
    ann_file: Path | None
    submission: Submission
    doubts: str = ""

    def __len__(self) -> int:
        return len(self.videos)

    def open(self, index: int) -> FrameSource:
        """Open the frames of video ``index`` (0-based) in the order of the annotations.

        Returns:
            a source called ``videos[index].name``.

        Raises:
            IndexError: there is no such video.
            SourceError: a frame is missing or cannot be read, or has another size than the annotations say.
        """
        if not 0 <= index < len(self.videos):
            raise IndexError(f"video {index} of {self.name!r}, which has {len(self.videos)}")
        video = self.videos[index]
        source = ImageFilesSource(video.frames, video.name)
        if (source.height, source.width) != (video.height, video.width):
            raise SourceError(
                f"{video.frames[0]}: is {source.width}x{source.height}, {self._source_of_sizes()} says "
                f"{video.width}x{video.height}: use the images that belong to it"
            )
        return source

    @abstractmethod
    def _source_of_sizes(self) -> str:
        """Name of the file that the videos' sizes come from, for error messages."""
