"""Would the DAVIS server take these results?"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmdet_vis.data.formats.davis_layout import ANNOTATIONS, IMAGES, RESOLUTION, davis_set, find_davis_root
from mmdet_vis.data.formats.davis_png import MAX_OBJECTS
from mmdet_vis.data.sources.image_colour import PILLOW_ERRORS
from mmdet_vis.errors import DatasetError, ResultsError
from mmdet_vis.evaluation.submission.writers import Report
from mmdet_vis.files.zips import ZIP_ERRORS, name_problems, read_member
from mmdet_vis.progress import with_bar


@dataclass(frozen=True)
class _Expected:
    """A video of the set: names of its PNGs and their size (width, height)."""

    name: str
    frames: list[str]
    size: tuple[int, int]


def check_davis_submission(
    path: str | Path,
    davis_root: str | Path,
    set_name: str = "val",
    *,
    year: int | None = None,
    resolution: str = RESOLUTION,
    progress: bool = False,
) -> Report:
    """Check a folder or zip of DAVIS results (``<video>/<frame>.png``) for the unsupervised track.

    Args:
        path: folder or zip.
        davis_root: the folder that contains ``ImageSets`` and ``JPEGImages`` (or ``Annotations_unsupervised``), or (a
            link to) its ``JPEGImages/480p``.
        set_name, year, resolution, progress: see :func:`mmdet_vis.evaluation.davis.evaluate`.

    Raises:
        ResultsError: if the folder or zip cannot be read at all.
        DatasetError: if the set is missing.
    """
    root = find_davis_root(davis_root)
    expected = [_expected(root, resolution, name) for name in davis_set(root, set_name, year)]
    checked = f"{path} ({sum(len(e.frames) for e in expected)} frames of {len(expected)} videos of {set_name})"
    if (folder := Path(path)).is_dir():
        inside = [file for file in folder.rglob("*") if file.is_file()]
        files = {file.relative_to(folder).as_posix(): partial(_read_file, file) for file in inside}
        return Report(_problems(files, expected, progress), checked)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info.filename for info in archive.infolist() if not info.is_dir()]
            files = {name: partial(read_member, archive, name) for name in members}
            return Report(name_problems(archive) or _problems(files, expected, progress), checked)
    except FileNotFoundError:
        raise ResultsError(f"{path} does not exist: check the path") from None
    except ZIP_ERRORS as error:
        raise ResultsError(f"cannot read {path} as a zip ({error}): give a folder or a zip of index PNGs") from error


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ResultsError(f"cannot read {file} ({error.strerror}): write it again") from error


def _expected(root: Path, resolution: str, name: str) -> _Expected:
    images, annotations = Path(IMAGES, resolution, name), Path(ANNOTATIONS, resolution, name)
    for folder, ending in ((root / images, "*.jpg"), (root / annotations, "*.png")):
        files = sorted(file for file in folder.glob(ending) if file.is_file())  # a pipe would never end
        if not files:
            continue
        try:
            with Image.open(files[0]) as image:
                return _Expected(name, [f"{file.stem}.png" for file in files], image.size)
        except PILLOW_ERRORS as error:
            raise DatasetError(f"cannot read {files[0]} ({error}): replace the file") from error
    raise DatasetError(f"{root} has neither {images} nor {annotations}: give the complete folder DAVIS")


def _problems(files: Mapping[str, Callable[[], bytes]], expected: list[_Expected], progress: bool) -> list[str]:
    """What is wrong with files of a folder or zip, by their names in it with forward slashes, and how each is read."""
    missing = [video for video in expected if not any(f"{video.name}/{frame}" in files for frame in video.frames)]
    if len(missing) == len(expected):
        first = f"/{expected[0].name}/{expected[0].frames[0]}"
        nested = next((name for name in files if name.endswith(first)), "")
        hint = f": they are in a folder, as {nested}; put the videos' folders at the top level" if nested else ""
        return [f"there are no frames of any of the {len(expected)} videos{hint}"]
    problems = [f"video {video.name} is missing ({len(video.frames)} frames)" for video in missing]
    for video in with_bar(expected, "checking videos", shown=progress):
        if video in missing:
            continue
        for frame in video.frames:
            name = f"{video.name}/{frame}"
            problem = _png_problem(files[name](), video.size) if name in files else "is missing"
            if problem is not None:
                problems.append(f"{name} {problem}")
    return problems


def _png_problem(data: bytes, size: tuple[int, int]) -> str | None:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != "P":
                return f"is no palette PNG: it holds {image.mode} pixels, not object numbers with colours"
            if image.size != size:
                return f"has {image.width}x{image.height} pixels, the video {size[0]}x{size[1]}"
            most = int(np.asarray(image).max())
    except PILLOW_ERRORS as error:
        return f"cannot be read as a PNG ({error})"
    if most > MAX_OBJECTS:
        return f"has object number {most}: at most {MAX_OBJECTS} objects per video are allowed"
    return None
