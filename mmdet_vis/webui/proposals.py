"""What another program found on a video, as users upload it: files of proposals."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.data.sources import display_name
from mmdet_vis.errors import SourceError
from mmdet_vis.proposers import FilesProposer
from mmdet_vis.proposers.files import CATEGORIES
from mmdet_vis.webui.inputs import check_sizes, link, unpack_zip
from mmdet_vis.webui.limits import Limits


def take_proposals(uploads: Sequence[str | Path], folder: Path, video: str, limits: Limits) -> None:
    """Bring files of proposals into a new folder, and read them as far as that goes without the video.

    Args:
        uploads: a JSON file of the video or one per frame, with ``categories.json``; or a zip of them.
        folder: is made.
        video: its name.
        limits: on their number and size.

    Raises:
        SourceError, DatasetError: one line that names the file.
    """
    files = [Path(upload) for upload in uploads]
    check_sizes(files, limits)
    unpacked = None
    if len(files) == 1 and files[0].suffix.lower() == ".zip":
        unpacked = unpack_zip(files[0], folder.parent, limits)
        files = [path for path in sorted(unpacked.rglob("*.json")) if not path.name.startswith(".")]
    categories = [file for file in files if file.name == CATEGORIES]
    found = [file for file in files if file.name != CATEGORIES]
    others = [file for file in found if file.suffix.lower() != ".json"]
    if others or not found or len(categories) != 1:
        have = f"{display_name(others[0].name)} is none" if others else "one of both is missing"
        raise SourceError(f"files of another program are {CATEGORIES} and a .json (or one per frame): {have}")
    folder.mkdir()
    link(categories[0], folder / CATEGORIES)
    # One may be called as it likes; of several, each is called as its frame.
    place = folder if len(found) == 1 else folder / video
    place.mkdir(exist_ok=True)
    for file in found:
        if (place / file.name).exists():
            raise SourceError(f"two files are called {display_name(file.name)}: those of one video are needed")
        link(file, place / file.name)
    if unpacked is not None:
        shutil.rmtree(unpacked.parent, ignore_errors=True)
    path = found_proposals(folder)
    assert path is not None
    FilesProposer(str(path)).check(video)


def found_proposals(folder: Path) -> Path | None:
    """What :class:`FilesProposer` is to read of a folder that :func:`take_proposals` made; None if there is none."""
    if not folder.is_dir():
        return None
    return next((path for path in folder.glob("*.json") if path.name != CATEGORIES), folder)
