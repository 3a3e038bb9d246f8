"""The result of a page as a file, in every format that is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.api import VideoResult
from mmdet_vis.data.formats import sequence_annotations, write_davis_pngs, write_results
from mmdet_vis.data.formats.annotated import ReadOptions
from mmdet_vis.data.formats.opening import read_annotations
from mmdet_vis.data.formats.registry import FORMATS
from mmdet_vis.errors import ConfigError
from mmdet_vis.files.atomic import write_zip
from mmdet_vis.run.job import write_pictures
from mmdet_vis.structures.sequence import frame_stems
from mmdet_vis.webui.project import Project


@dataclass(frozen=True)
class Export:
    """A way to save a result.

    Attributes:
        title: for the page.
        ending: of its file; a folder goes into a zip.
        write: writes the file or folder of a result; returns lines about what that leaves out.
        frames: whether it can have the frames beside it.
    """

    title: str
    ending: str
    write: Callable[[Project, VideoResult, Path, Path | None], list[str]]
    frames: bool = False


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        file: in a folder of its own.
        notes: lines about what the format does not hold.
    """

    file: Path
    notes: list[str]

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.file.parent, ignore_errors=True)


def export(project: Project, name: str, score_thr: float, with_frames: bool) -> Exported:
    """Write what a page shows: the sequences that reach a score, and those that people made or corrected.

    Hidden ones are exported, too: hiding is for the eye.

    Args:
        project: with a result.
        name: of :data:`EXPORTS`.
        score_thr: sequences with a lower score are left out.
        with_frames: put the frames as JPEGs beside annotations.

    Raises:
        ConfigError: there is no such format, or no result.
        OutputError: it cannot be written.
        DatasetError: the format cannot hold the result.
    """
    way, history = EXPORTS.get(name), project.history
    if way is None:
        raise ConfigError(f"{name!r:.40} is no format: choose one of {', '.join(EXPORTS)}")
    if history is None:
        raise ConfigError("there is no result yet: wait, or segment the video")
    result = history.result.filter(score=score_thr)
    folder = Path(tempfile.mkdtemp(prefix="export_", dir=project.folder))
    try:
        frames = folder / "frames" if with_frames and way.frames else None
        if frames is not None:
            _link_frames(project, result, frames)
        if way.ending != ".zip" and frames is None:
            target = folder / f"{result.name}{way.ending}"
            return Exported(target, way.write(project, result, target, None))
        packed, target = folder / "packed", folder / f"{result.name}_{name}.zip"
        packed.mkdir()
        alone = way.ending == ".zip"
        notes = way.write(project, result, packed if alone else packed / f"{result.name}{way.ending}", frames)
        beside = [] if frames is None or alone else [("frames", frames)]
        write_zip(target, _members([("", packed), *beside]), compress=frames is None)
        return Exported(target, notes)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _members(folders: list[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    for prefix, folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            yield "/".join(filter(None, (prefix, file.relative_to(folder).as_posix()))), file


def _link_frames(project: Project, result: VideoResult, folder: Path) -> None:
    """The frames under the names that annotations have: ``NAME/STEM.jpg``."""
    if project.frames_ready < result.num_frames:
        raise ConfigError("not all frames are there yet: wait a moment")
    place = folder / result.name
    place.mkdir(parents=True)
    for index, stem in enumerate(frame_stems(result)):
        os.link(project.frame_file(index), place / f"{stem}.jpg")


def _annotations(name: str) -> Callable[[Project, VideoResult, Path, Path | None], list[str]]:
    def write(project: Project, result: VideoResult, target: Path, frames: Path | None) -> list[str]:
        with tempfile.TemporaryDirectory(dir=project.folder) as folder:
            saved = Path(folder) / "result.json"
            result.save(saved)
            found = read_annotations(saved, "result", ReadOptions(images=frames))
        found.source = f"result of {result.name}"  # in files that are written: not a folder of the server
        entry = FORMATS[name]
        assert entry.write is not None
        entry.write(found, target)
        return found.notes.lines()

    return write


def _result(project: Project, result: VideoResult, target: Path, frames: Path | None) -> list[str]:
    result.save(target)
    return []


def _results(project: Project, result: VideoResult, target: Path, frames: Path | None) -> list[str]:
    found = sequence_annotations(result, 1, project.note.score_thr)
    write_results(target, [{**entry, "video_name": result.name} for entry in found])
    return []


def _pngs(project: Project, result: VideoResult, target: Path, frames: Path | None) -> list[str]:
    write_davis_pngs(result, target / result.name)
    return []


def _overlay(project: Project, result: VideoResult, target: Path, frames: Path | None) -> list[str]:
    with project.open_source() as source:
        # The result holds what is to be shown: no threshold here.
        write_pictures(result, source, {"video": target}, show_thr=0.0, use_img=False)
        return []


EXPORTS: dict[str, Export] = {
    name: Export(entry.title, ".json" if entry.is_file else ".zip", _annotations(name), frames=True)
    for name, entry in FORMATS.items()
    if entry.write is not None
}
"""Every way to save a result, by name: annotations of any format, and what the program itself writes."""
EXPORTS |= {
    "overlay": Export("a video with the objects coloured (mp4)", ".mp4", _overlay),
    "results": Export("YouTube-VIS results, with the scores of all categories", ".json", _results),
    "pngs": Export("DAVIS results: index PNGs, at most 20 objects", ".zip", _pngs),
    "result": Export("the program's own file: opens again with VideoResult.load()", ".json", _result),
}
