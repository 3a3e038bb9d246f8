"""Videos to try the page on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2

from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.video_decode import VIDEO_SUFFIXES
from mmdet_vis.data.synthvis.options import DatasetOptions
from mmdet_vis.data.synthvis.video import make_video
from mmdet_vis.errors import SourceError
from mmdet_vis.visualization.video_writer import VideoWriter

MOST_EXAMPLES = 6
FPS = 12.0
_CLIP = DatasetOptions(frames=36, width=320, height=180)


def find_examples(folder: Path | None) -> list[Path]:
    """The videos of a folder, at most :data:`MOST_EXAMPLES`.

    Args:
        folder: None is ``demo/inputs`` of the repository, where the program runs from one.

    Raises:
        SourceError: the folder is missing or holds no video.
    """
    place = folder or Path(__file__).resolve().parents[2] / "demo" / "inputs"
    found = [path for path in place.glob("*") if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()]
    if folder is not None and not found:
        raise SourceError(f"{folder}: holds no video: put some into it or leave --examples out")
    return sorted(found, key=lambda path: natural_key(path.name))[:MOST_EXAMPLES]


def take_examples(videos: Sequence[Path], folder: Path) -> list[Path]:
    """Copy videos into the server's own folder, as gradio serves no other, and make a short synthetic one of moving
    shapes, ``folder/synthvis.mp4``, which is always the same.
    """
    (folder / "examples").mkdir(exist_ok=True)
    copied = [Path(shutil.copyfile(video, folder / "examples" / video.name)) for video in videos]
    path = folder / "synthvis.mp4"
    with tempfile.TemporaryDirectory(dir=folder) as frames:
        make_video(Path(frames), _CLIP, "val", 0)
        with VideoWriter(path, FPS, (_CLIP.height, _CLIP.width)) as video:
            for file in sorted(Path(frames).glob("*/*.jpg")):
                frame = cv2.imread(str(file))
                assert frame is not None
                video.write(frame)
    return [*copied, path]
