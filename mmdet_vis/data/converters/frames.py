"""The frames of videos as files, which is what training reads: it jumps between frames, and videos are slow at that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.data.formats.frame_files import copy_file
from mmdet_vis.data.sources import find_inputs, open_source, unique_names
from mmdet_vis.data.sources.folder import list_images
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.visualization.images import ImageFolderWriter


def write_frames(
    videos: Path, folder: Path, names: Sequence[str] | None = None, progress: bool = False
) -> tuple[int, int]:
    """Write the frames of videos as JPEGs ``folder/VIDEO/FRAME.jpg``; files of frames are copied as they are.

    Videos, names and numbers of frames are those of a run over the same folder, so that its results fit.

    Args:
        videos: see :func:`~mmdet_vis.data.sources.find_inputs`.
        folder: made if need be; what is there under the same names is replaced.
        names: of the videos that are wanted; None for all.

    Returns:
        how many videos and frames there are in it now.

    Raises:
        SourceError: a video cannot be read.
        DatasetError: one that is wanted is not there.
        OutputError: something cannot be written.
    """
    inputs = find_inputs(videos)
    known = dict(zip(unique_names(inputs), inputs, strict=True))
    wanted = list(known) if names is None else list(names)
    if missing := [name for name in wanted if name not in known]:
        raise DatasetError(f"{videos} has no video {missing[0]!r:.60}: it has {', '.join(known):.400}")
    count = 0
    for name in with_bar(wanted, "videos", shown=progress):
        count += _write(known[name], ensure_writable_dir(folder / name))
    return len(wanted), count


def _write(video: Path, folder: Path) -> int:
    if video.is_dir():
        files = list_images(video)[0]
        for file in files:
            copy_file(file, folder / file.name)
        return len(files)
    with open_source(video) as source, ImageFolderWriter(folder, source.frame_names) as writer:
        for index in range(len(source)):
            writer.write(source.read(index, index + 1)[0])
        return len(source)
