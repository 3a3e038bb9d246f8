"""Folders with one sub-folder per video, as the annotation tools leave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmdet_vis.data.sources import natural_key
from mmdet_vis.errors import DatasetError


def video_folders(root: Path, is_video: Callable[[Path], bool], what: str) -> list[tuple[Path, str]]:
    """Folders of videos below ``root`` in natural order, or ``root`` itself where it is one.

    Args:
        root: the folder that the user gave.
        is_video: whether a folder holds a video's annotations.
        what: what such a folder holds, for the message.

    Returns:
        (folder, start of its frames' names relative to ``root``) pairs; the start is empty or ends with ``/``.

    Raises:
        DatasetError: there are none.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder: give the one with {what} per video")
    if is_video(root):
        return [(root, "")]
    folders = [path for path in root.iterdir() if path.is_dir() and is_video(path)]
    if not folders:
        raise DatasetError(f"{root} holds no videos: give the folder with {what} per video")
    return [(path, f"{path.name}/") for path in sorted(folders, key=lambda path: natural_key(path.name))]
