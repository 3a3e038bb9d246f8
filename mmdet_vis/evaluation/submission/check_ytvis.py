"""Would the YouTube-VIS server take these results?"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.json_files import RESULTS_MEMBER, read_results_json
from mmdet_vis.data.formats.ytvis import Annotations, Video, check_sequences, index_videos, measure_masks
from mmdet_vis.errors import ResultsError
from mmdet_vis.evaluation.submission.writers import Report
from mmdet_vis.evaluation.ytvis.entries import entry_problem
from mmdet_vis.files.zips import ZIP_ERRORS, name_problems
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, to_rles


def check_ytvis_submission(
    path: str | Path, annotations: Mapping[str, Any], annotations_name: str = "annotations"
) -> Report:
    """Check a YouTube-VIS results file, or a zip with it as ``results.json`` at its top level.

    The annotations are the contents of the set's file, which need not have ground truth.

    Raises:
        ResultsError: if the file cannot be read at all.
        DatasetError: if the annotation file is malformed.
    """
    dataset = index_videos(annotations, annotations_name)
    problems = _zip_problems(path) if zipfile.is_zipfile(path) else []
    if problems:
        return Report(problems, str(path))
    results = read_results_json(path)
    if not isinstance(results, list):
        return Report([f"the top level is {type(results).__name__}, not a list of sequences"], str(path))
    if not results:
        return Report(["there are no sequences: the server's loader needs at least one"], str(path))
    found: list[tuple[int, str]] = []
    by_video: defaultdict[int, list[tuple[int, list[RLE | None]]]] = defaultdict(list)
    for index, entry in enumerate(results):
        rles, problem = _read_entry(entry, dataset)
        if problem is not None:
            found.append((index, problem))
        else:
            by_video[entry["video_id"]].append((index, rles))
    for video_id, items in by_video.items():
        found += _mask_problems(items, dataset.videos[video_id])
    videos = f"{len(by_video)} of the {len(dataset.videos)} videos"
    return Report(
        [f"entry {index} {problem}" for index, problem in sorted(found)],
        f"{path} ({len(results)} sequences in {videos} of {annotations_name})",
    )


def _zip_problems(path: str | Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            problems = name_problems(archive)
            names = archive.namelist()
    except ZIP_ERRORS as error:
        raise ResultsError(f"cannot read {path} ({error}): write the zip again") from error
    if RESULTS_MEMBER not in names:
        nested = next((name for name in names if name.endswith(f"/{RESULTS_MEMBER}")), None)
        where = f"it is at {nested}" if nested else f"it holds {', '.join(names[:3]) or 'nothing'}"
        problems.append(f"the zip has no {RESULTS_MEMBER} at its top level ({where})")
    return problems


def _read_entry(entry: Any, dataset: Annotations) -> tuple[list[RLE | None], str | None]:
    """The masks of an entry, or what is wrong with it; the masks' runs are not looked at."""
    problem = entry_problem(entry, dataset)
    if problem is not None:
        return [], problem
    video = dataset.videos[entry["video_id"]]
    for frame, mask in enumerate(entry["segmentations"]):
        if mask is not None and not (isinstance(mask, dict) and isinstance(mask.get("counts"), str)):
            return [], f"has a mask for frame {frame} that is neither null nor a compressed RLE (counts as a string)"
    try:
        return to_rles(entry["segmentations"], video.height, video.width), None
    except InvalidMaskError as error:
        return [], error.reason


def _mask_problems(items: Sequence[tuple[int, list[RLE | None]]], video: Video) -> list[tuple[int, str]]:
    """Entries of one video whose masks do not fill their frames: (index, problem)."""
    try:
        check_sequences([masks.rles for masks in measure_masks([rles for _, rles in items], video)])
    except InvalidMaskError as error:
        if len(items) == 1:
            return [(items[0][0], error.reason)]
        # All at once is fast; where that finds something, each entry has its say.
        return [problem for item in items for problem in _mask_problems([item], video)]
    return []
