"""Entries of a results file: one sequence of one category each, checked against the dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmdet_vis.data.formats.annotated import Notes
from mmdet_vis.data.formats.json_files import is_finite
from mmdet_vis.data.formats.opening import log_notes
from mmdet_vis.data.formats.ytvis import Annotations, MaskSequence, Video, is_id, measure_masks
from mmdet_vis.errors import ResultsError, few
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, to_rles


@dataclass(frozen=True)
class Prediction:
    """A predicted sequence: ``index`` is its position in the results, ``score`` is finite."""

    index: int
    category_id: int
    score: float
    masks: MaskSequence


def entry_problem(entry: Any, dataset: Annotations) -> str | None:
    """What is wrong with an entry's ids, score or number of masks (not with the masks), with the way to mend it."""
    if not isinstance(entry, dict):
        return "is not an object {video_id, category_id, score, segmentations}"
    for key in ("video_id", "category_id", "score", "segmentations"):
        if key not in entry:
            return f"has no '{key}'"
    for kind, known in (("video", dataset.videos), ("category", dataset.categories)):
        number = entry[f"{kind}_id"]
        if not is_id(number, known):
            return f"has {kind}_id {number!r:.40}, which is no id of a {kind} in {dataset.name}"
    if not is_finite(entry["score"]):
        return f"has score {entry['score']!r:.40}, not a finite number"
    video = dataset.videos[entry["video_id"]]
    masks = entry["segmentations"]
    if not isinstance(masks, list):
        return "has 'segmentations' that are not a list"
    if len(masks) != video.length:
        return f"has {len(masks)} segmentations, video {video.id} has {video.length} frames"
    return None


def group_entries(
    results: Any, dataset: Annotations, name: str = "results"
) -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """Check all entries (but not their masks) and group them, with their positions, by video id.

    Entries of categories that the annotations lack are left out, with a warning, as the official evaluator does: the
    annotations may be of some of the categories. If all are, or one has an id below 1, the ids are wrong.

    Raises:
        ResultsError: for the first entry that is wrong.
        DatasetError: entries are left out, within :func:`~mmdet_vis.data.formats.opening.strictly`.
    """
    if not isinstance(results, list):
        raise ResultsError(
            f"{name} must hold a list of entries, not {type(results).__name__}: see the YouTube-VIS format"
        )
    grouped: defaultdict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    others = _other_categories(results, dataset, name)
    for index, entry in enumerate(results):
        if index in others:
            continue
        problem = entry_problem(entry, dataset)
        if problem is not None:
            raise ResultsError(
                f"{name}: entry {index} {problem}: write results for {dataset.name} in the YouTube-VIS format"
            )
        grouped[entry["video_id"]].append((index, entry))
    return dict(grouped)


def of_known_categories(results: Any, dataset: Annotations, name: str) -> Any:
    """Results without the entries that :func:`group_entries` leaves out, so that this is said once.

    Raises:
        DatasetError: see there.
    """
    others = _other_categories(results, dataset, name) if isinstance(results, list) else ()
    return [entry for index, entry in enumerate(results) if index not in others] if others else results


def _other_categories(results: list[Any], dataset: Annotations, name: str) -> set[int]:
    """Positions of entries whose categories the annotations lack, which is logged; none if that is so of all."""
    ids: list[Any] = [entry.get("category_id") if isinstance(entry, dict) else None for entry in results]
    others = {n for n, number in enumerate(ids) if type(number) is int and 0 < number not in dataset.categories}
    if not others or len(others) == len(ids):
        return set()
    shown = few([str(number) for number in sorted({ids[index] for index in others})])
    what = f"entries of categories that {dataset.name} does not have (category_id {shown})"
    log_notes(name, Notes(left_out=Counter({what: len(others)})))
    return others


def read_predictions(
    entries: Sequence[tuple[int, dict[str, Any]]], video: Video, name: str = "results"
) -> list[Prediction]:
    """Read and measure the masks of one video's entries.

    A sequence often stands in the results under several categories; its masks are then measured once.

    Raises:
        ResultsError: for a mask that is no RLE of the video's size.
    """
    places: dict[tuple[str | None, ...], int] = {}
    sequences: list[tuple[int, list[RLE | None]]] = []  # each with the first entry that has it
    position: list[int] = []
    for index, entry in entries:
        try:
            rles = video.in_annotated(to_rles(entry["segmentations"], video.height, video.width))
        except InvalidMaskError as error:
            raise mask_error(name, index, video, error.reason) from None
        key = tuple([None if rle is None else rle["counts"] for rle in rles])
        position.append(places.setdefault(key, len(sequences)))
        if position[-1] == len(sequences):
            sequences.append((index, rles))
    try:
        masks = measure_masks([rles for _, rles in sequences], video)
    except InvalidMaskError as error:
        raise mask_error(name, sequences[error.index][0], video, error.reason) from None
    return [
        Prediction(index, entry["category_id"], float(entry["score"]), masks[place])
        for (index, entry), place in zip(entries, position, strict=True)
    ]


def mask_error(name: str, index: int, video: Video, reason: str) -> ResultsError:
    """The error for a bad mask in entry ``index``."""
    return ResultsError(
        f"{name}: entry {index} (video {video.id}) {reason}: write compressed RLEs of {video.height}x{video.width}"
    )
