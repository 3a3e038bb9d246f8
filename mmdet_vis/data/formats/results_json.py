"""Results of a run as annotated videos, so that they open where annotations do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideo, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.json_files import load_results, plain_id, read_json
from mmdet_vis.data.formats.result_file import FORMAT, read_result
from mmdet_vis.data.formats.ytvis import frame_files, index_videos
from mmdet_vis.data.sources.folder import list_files, list_folders, list_images
from mmdet_vis.errors import DatasetError, ResultsError, option
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE, VideoResult
from mmdet_vis.structures.rle import InvalidMaskError, check_rles, to_rle
from mmdet_vis.structures.sequence import frame_stems

RESULTS = "results.json"


def is_results(content: Any) -> bool:
    """Whether the content of a JSON file looks like YouTube-VIS results."""
    return isinstance(content, list) and (
        not content or (isinstance(content[0], dict) and {"video_id", "segmentations"} <= content[0].keys())
    )


def read_results(path: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read ``results.json`` (or a zip of it, or the folder of a run).

    A sequence under several categories counts under its best one. Without the content of annotations, frames and
    categories are called by their numbers, and the folders of the images are the videos in the order of the ids.

    Raises:
        ResultsError: the file cannot be read, or an entry is wrong.
        DatasetError: the annotations cannot be read.
    """
    path = path / RESULTS if path.is_dir() else path
    found = AnnotatedVideos(f"results {path}", options.images)
    entries = load_results(path)
    videos, names = _dataset(found, path, options.annotations, options.content)
    best: dict[tuple[Any, ...], int] = {}
    kept: list[tuple[AnnotatedVideo, str, list[RLE | None], float]] = []
    for position, entry in enumerate(with_bar(entries, "sequences", shown=options.progress)):
        where = f"{path}: entry {position}"
        for name in ("video_id", "category_id") if isinstance(entry, dict) else ():
            if type(plain := plain_id(entry.get(name))) is not type(entry.get(name)):
                entry[name] = plain
                found.notes.guessed[f"{name}s written as text or real numbers"] += 1
        video_id, category_id, score, masks = _entry(entry, where)
        if score < options.score_thr:
            found.notes.left_out[f"entries with a score below {options.score_thr:g}"] += 1
            continue
        rles = _masks(masks, where)
        if video_id not in videos:
            if (file := options.annotations) is not None:
                raise ResultsError(f"{where} is of video {video_id}, which {file} does not have: give its own")
            videos[video_id] = _video(found, video_id, rles)
        video = videos[video_id]
        sizes = {tuple(rle["size"]) for rle in rles if rle is not None} - {(video.height, video.width)}
        if len(rles) != len(video) or sizes:
            raise ResultsError(f"{where} has not a mask of {video.width}x{video.height} for each frame of its video")
        category = found.category(names.get(category_id, f"category_{category_id}"), category_id)
        key = (video_id, *(None if rle is None else rle["counts"] for rle in rles))
        known = best.setdefault(key, len(kept))
        if known == len(kept):
            kept.append((video, category, rles, score))
            continue
        found.notes.left_out["entries of sequences that have a better category"] += 1
        if kept[known][3] < score:
            kept[known] = (video, category, rles, score)
    for video, category, rles, score in sorted(kept, key=lambda item: -item[3]):
        found.add_track(video, category, rles, score=score)
    return found


def is_saved_result(content: Any) -> bool:
    """Whether the content of a JSON file looks like one of ``VideoResult.save()``."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def read_saved_result(path: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read results of :func:`~mmdet_vis.data.formats.result_file.write_result`: one file, a video, or all of a folder.

    Raises:
        ResultsError: a file cannot be read, or the folder holds none.
    """
    files = [path]
    if path.is_dir():
        files = [file for file in list_files(path, ".json") if is_saved_result(read_json(file))]
    if not files:
        raise ResultsError(f"{path} holds no saved result: give the folder of a run with {option('formats', 'result')}")
    found = AnnotatedVideos(f"{'result' if path.is_file() else 'results of'} {path}", options.images)
    for file in files:
        _add_saved(found, read_result(file, VideoResult), options.score_thr)
    return found


def _add_saved(found: AnnotatedVideos, result: VideoResult, score_thr: float) -> None:
    alone = found.images is not None and list_images(found.images)[0]
    prefix = "" if alone else f"{result.name}/"
    folder = None if found.images is None else found.images / prefix
    images = list_images(folder)[0] if folder is not None and os.path.isdir(folder) else []
    files = {file.stem: file.name for file in images}
    names = [f"{prefix}{files.get(stem, f'{stem}.jpg')}" for stem in frame_stems(result)]
    for name, number in zip(result.categories, result.category_ids, strict=True):
        found.category(name, number)
    video = found.add_video(result.name, names, result.height, result.width)
    hidden = sum(s.reaches(score_thr) and not s.reaches(result.show_thr) for s in result.sequences)
    if hidden:
        without = option("score_thr", result.show_thr)
        found.notes.facts[f"objects whose score is too low for them to be drawn ({without} leaves them out)"] += hidden
    for sequence in result.sequences:
        if not sequence.reaches(score_thr):
            found.notes.left_out[f"sequences with a score below {score_thr:g}"] += 1
        else:
            found.add_track(video, result.category_of(sequence), sequence.masks, score=sequence.score)


def _dataset(
    found: AnnotatedVideos, results: Path, path: Path | None, content: Mapping[str, Any] | None
) -> tuple[dict[int, AnnotatedVideo], dict[int, str]]:
    """Videos and names of categories of annotations; without any, the names that the run had."""
    if content is None:
        names = _names_of_run(results.parent)
        rest = "; those of categories are the run's" if names else ""
        what = f"{'' if names else 'categories and '}frames, taken from their numbers{rest}"
        found.notes.guessed[f"names of {what} (give the annotation file)"] += 1
        return {}, names
    index = index_videos(content, str(path))
    videos = {}
    for entry, video in zip(content["videos"], index.videos.values(), strict=True):
        files = frame_files(entry, f"{path}: video {video.id}")
        videos[video.id] = found.add_video(video.name, files, video.height, video.width, video.id)
    for number, name in index.categories.items():
        found.category(name, number)
    return videos, index.categories


def _names_of_run(folder: Path) -> dict[int, str]:
    """Names of categories by their ids, of the run that wrote results into a folder; none if it does not say them."""
    for file in (folder / name for name in _OF_RUN):
        try:
            run = read_json(file, max_bytes=_LARGEST) if file.is_file() else {}
            names = run["config"]["categories"]
            numbers = run["dataset"]["category_ids"] if "dataset" in run else range(1, len(names) + 1)
            found = {number: name for number, name in zip(numbers, names, strict=True) if type(number) is int}
        except (DatasetError, KeyError, TypeError, ValueError):
            continue
        if found and all(isinstance(name, str) and name.strip() for name in found.values()):
            return found
    return {}


_OF_RUN = ("run.json", ".progress/run.json")
"""Where a run over a dataset, and one over a folder of videos, says what its results depend on."""
_LARGEST = 2**24


def _video(found: AnnotatedVideos, video_id: int, rles: list[RLE | None]) -> AnnotatedVideo:
    """A video of which only its results are known; its frames are those of a folder, where their number fits."""
    height, width = next((rle["size"] for rle in rles if rle is not None), [1, 1])
    if found.images is not None and found.images.is_dir():
        folders = list_folders(found.images)  # in the order in which a run numbers them
        files = list_images(found.images)[0]
        if len(files) == len(rles) and not folders:
            return found.add_video(found.images.resolve().name, [file.name for file in files], height, width, video_id)
        if 0 < video_id <= len(folders):
            folder = folders[video_id - 1]
            files = list_images(folder)[0]
            if len(files) == len(rles):
                names = [f"{folder.name}/{file.name}" for file in files]
                return found.add_video(folder.name, names, height, width, video_id)
    names = [f"video_{video_id}/{frame:05d}.jpg" for frame in range(len(rles))]
    return found.add_video(f"video_{video_id}", names, height, width, video_id)


def _entry(entry: Any, where: str) -> tuple[int, int, float, list[Any]]:
    if not isinstance(entry, dict):
        raise ResultsError(f"{where} is not an object {{...}}: give a results file")
    video_id, category_id, score, masks = map(entry.get, ("video_id", "category_id", "score", "segmentations"))
    if type(video_id) is not int or type(category_id) is not int or not isinstance(masks, list) or not masks:
        raise ResultsError(f"{where} has no video_id, category_id or segmentations: give a results file")
    if not isinstance(score, (int, float)) or not -1e9 < score < 1e9:
        raise ResultsError(f"{where} has score {score!r:.40}, not a number: give a results file")
    return video_id, category_id, float(score), masks


def _masks(segmentations: list[Any], where: str) -> list[RLE | None]:
    sizes = [mask["size"] for mask in segmentations if isinstance(mask, dict) and isinstance(mask.get("size"), list)]
    size = sizes[0] if sizes else [1, 1]
    if len(size) != 2 or not all(type(side) is int and 0 < side < 2**20 for side in size):
        raise ResultsError(f"{where} has a mask of size {size!s:.40}: give a results file")
    try:
        rles = [to_rle(mask or None, *size) for mask in segmentations]
        check_rles([rle for rle in rles if rle is not None])
    except InvalidMaskError as error:
        raise ResultsError(f"{where} has a mask that {error.reason}: give a results file") from None
    return rles
