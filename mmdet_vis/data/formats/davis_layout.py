"""Where things are in a DAVIS folder: the lists of its sets, its frames and its annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.errors import DatasetError, option

ANNOTATIONS = "Annotations_unsupervised"
OTHER_TRACK = "Annotations"
IMAGES = "JPEGImages"
RESOLUTION = "480p"
YEARS = (2017, 2019)
OF_2016 = ("480p", "1080p")
"""Folders of the lists of DAVIS 2016."""
_OF_VOC = {"Main", "Segmentation", "Layout", "Action"}
TEST_SETS = ("test-dev", "test-challenge")


def find_davis_root(path: str | Path) -> Path:
    """The folder with ``ImageSets``: ``path``, or two above it where ``path`` is (a link to) JPEGImages/480p.

    Raises:
        DatasetError: there is none.
    """
    path = Path(path)
    if not os.path.isdir(path):
        raise DatasetError(f"{path} is not a folder: put the folder DAVIS there, or a link to it")
    for candidate in (path, *list(path.resolve().parents)[1:2]):
        if (candidate / "ImageSets").is_dir() and not is_voc(candidate):
            return candidate
    raise DatasetError(
        f"{path} has no ImageSets, nor is it JPEGImages/480p of a DAVIS folder: give the folder DAVIS as unpacked, or "
        "use configs/_base_/datasets/davisuvos_json.py with valid_davis.json"
    )


def is_voc(path: Path) -> bool:
    """Whether a folder is one of Pascal VOC: no DAVIS, whose folders have the same names."""
    sets = {entry.name for entry in (path / "ImageSets").iterdir()} if (path / "ImageSets").is_dir() else set()
    parts = any((path / name).is_dir() for name in ("SegmentationClass", "SegmentationObject"))
    of_cvat = (path / "labelmap.txt").is_file()
    return (parts and not of_cvat) or (bool(sets & _OF_VOC) and not sets & {*map(str, (2016, *YEARS)), *OF_2016})


def is_davis(path: Path) -> bool:
    """Whether :func:`find_davis_root` finds a folder DAVIS."""
    try:
        return path.is_dir() and bool(find_davis_root(path))
    except DatasetError:
        return False


def mask_folder(root: Path, resolution: str, annotations: str = ANNOTATIONS) -> tuple[Path, str]:
    """The folder of a DAVIS folder's masks, and what there is to say of it (empty: nothing).

    Where those of the unsupervised track are not there, it is that of the other track, ``Annotations``.
    """
    masks, others = root / annotations / resolution, root / OTHER_TRACK / resolution
    there = sorted({entry.name for name in (annotations, OTHER_TRACK, IMAGES) for entry in _folders(root / name)})
    if there and resolution not in there:
        raise DatasetError(
            f"{root} has no {IMAGES}/{resolution}: give {option('resolution', there[0])}; there is {', '.join(there)}"
        )
    if annotations != ANNOTATIONS or masks.is_dir() or not others.is_dir():
        return masks, ""
    return others, f"folder {OTHER_TRACK} taken, as there is no {ANNOTATIONS}"


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def note_other_sets(notes: Notes, masks: Path, names: Sequence[str]) -> None:
    """Note how many videos of a DAVIS folder are not of the set that is read."""
    others = {entry.name for entry in _folders(masks)} - set(names)
    if others:
        notes.facts[f"videos of other sets, which are not read (choose by {option('set_name')})"] += len(others)


def davis_set(root: Path, set_name: str, year: int | None = None) -> list[str]:
    """Names of the videos of a set, of which ``ImageSets/<year>`` has a list.

    The year is by default that of the unsupervised track: 2019 for its test sets and 2017 for others, or the other of
    the two where only that has the list; or DAVIS 2016, where only that has it.

    Raises:
        DatasetError: no such list, or it is not one video name (a folder's, without its path) per line.
    """
    years = (year,) if year is not None else YEARS[::-1] if set_name in TEST_SETS else YEARS
    files = [root / "ImageSets" / str(number) / f"{set_name}.txt" for number in years]
    files += [root / "ImageSets" / size / f"{set_name}.txt" for size in OF_2016] if year in (None, 2016) else []
    file = next((file for file in files if file.is_file()), files[0])
    try:
        # A pipe would never end.
        names = file.read_text(encoding="utf-8").split() if file.is_file() else None
        if names and file.parent.name in OF_2016:  # pairs of a frame and its mask
            names = list(dict.fromkeys(PurePosixPath(name).parent.name or name for name in names))
    except (OSError, UnicodeDecodeError):
        names = None
    if names is None:
        others = sorted(str(path.relative_to(root)) for path in (root / "ImageSets").glob("*/*.txt"))
        raise DatasetError(
            f"{file} cannot be read: choose another set ({option('set_name')}) or {option('year')}; there is "
            f"{', '.join(others) or 'none'}"
        )
    for name in names:
        if name in (".", "..") or set("/\\\0") & set(name) or len(name.encode()) > 255:
            raise DatasetError(f"{file} lists {name!r:.60}, which is not the name of a folder: correct the file")
    if not names or len(set(names)) < len(names):
        raise DatasetError(f"{file} lists {'a video twice' if names else 'no videos'}: it must name one per line")
    return names
