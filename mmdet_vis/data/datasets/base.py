"""What every dataset offers: its videos with their names, its categories, and the frames of a video when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from mmdet_vis.data.sources import FrameSource, ImageFilesSource, display_name
from mmdet_vis.data.sources.naming import unlike
from mmdet_vis.errors import SourceError

Submission = Literal["ytvis", "davis"]


@dataclass(frozen=True)
class VideoInfo:
    """A video of a dataset; building one opens no frame.

    Attributes:
        id: id in the annotation file; results refer to the video by it.
        name: unique in the dataset, usable as the name of a file or folder.
        height, width: of its frames in pixels.
        frames: T image files in the order of the annotations, the dataset's image folder included.
    """

    id: int
    name: str
    height: int
    width: int
    frames: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.frames)


class VideoDataset:
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
        """Open the frames of video ``index`` (0-based) in the order of the annotations, under the video's name.

        Raises:
            IndexError: there is no such video.
            SourceError: a frame is missing or cannot be read, or has another size than the annotations say.
        """
        if not 0 <= index < len(self.videos):
            raise IndexError(f"video {index} of {self.name!r}, which has {len(self.videos)}")
        video = self.videos[index]
        source = ImageFilesSource(video.frames, video.name)
        if (source.height, source.width) != (video.height, video.width):
            said_by = self.ann_file or "the first frame that can be read"
            raise SourceError(
                f"{video.frames[0]}: is {source.width}x{source.height}, {said_by} says "
                f"{video.width}x{video.height}: use the images that belong to it"
            )
        return source


def video_names(ids: Sequence[int], file_names: Sequence[Sequence[str]]) -> list[str]:
    """One name per video, no two the same, not even on a file system that ignores case.

    A video is called by the folder of its first frame (``a/b/00000.jpg`` gives ``a_b``), one of a single frame
    whose folder holds other videos too by that frame, and any other by its folder and id.
    """
    folders = [_folder(names[0]) for names in file_names]
    shared = Counter(folder.casefold() for folder in folders)
    taken: set[str] = set()
    names = []
    for video_id, folder, files in zip(ids, folders, file_names, strict=True):
        name = folder
        if not name or shared[folder.casefold()] > 1:
            name = PurePosixPath(files[0]).stem if len(set(files)) == 1 else f"{folder}_{video_id}".strip("_")
        name = display_name(name)
        while name.casefold() in taken:
            name = f"{name}_{video_id}"
        taken.add(name.casefold())
        names.append(name)
    return names


def unique_video_names(names: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """Names of N videos as those of files, no two the same and none as one that is taken, whatever the case.

    Folders in a name are parted by ``_``.
    """
    used = {name.casefold() for name in taken}
    found = []
    for name in names:
        plain = display_name("_".join(part for part in name.split("/") if part not in ("", ".", ".."))) or "video"
        found.append(unlike(used, plain))
    return found


def _folder(file: str) -> str:
    """Folder of a frame as one word; of an absolute path, only the last folder."""
    path = PurePosixPath(file.replace("\\", "/"))
    parts = path.parent.parts[-1:] if path.is_absolute() else path.parent.parts
    return "_".join(part for part in parts if part not in ("/", "..", "."))
