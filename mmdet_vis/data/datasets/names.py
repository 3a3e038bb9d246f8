"""Names of the videos of an annotation file, which has only ids and frame files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mmdet_vis.data.sources import display_name
from mmdet_vis.data.sources.naming import unlike


def video_names(ids: Sequence[int], file_names: Sequence[Sequence[str]]) -> list[str]:
    """One name per video, no two the same, not even on a file system that ignores case.

    A video is called by the folder of its first frame (``a/b/00000.jpg`` gives ``a_b``), one of a single frame
    whose folder holds other videos too by that frame, and any other by its folder and id.

    Args:
        ids: N distinct ids.
        file_names: N non-empty lists of frame files, as in the annotation file.
    """
    folders = [_folder(names[0]) for names in file_names]
    shared = Counter(folder.casefold() for folder in folders)
    taken: set[str] = set()
    names = []
    for video_id, folder, files in zip(ids, folders, file_names, strict=True):
        name = folder
        if not name or shared[folder.casefold()] > 1:
            name = PurePosixPath(files[0]).stem if len(set(files)) == 1 else f"{folder}_{video_id}".strip("_")
        while name.casefold() in taken:
            name = f"{name}_{video_id}"
        taken.add(name.casefold())
        names.append(display_name(name))
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
