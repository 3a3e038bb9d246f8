"""YouTube-VIS results: a JSON list with one entry per sequence and category."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmdet_vis.files.atomic import atomic_stream
from mmdet_vis.structures import VideoResult


def sequence_annotations(result: VideoResult, video_id: int, score_thr: float = 0.05) -> list[dict[str, Any]]:
    """Entries of the results file for one video.

    A sequence gives one entry for each category whose score reaches the threshold, so it may appear under
    several; a category that category-aware reduction dropped (score -1) never appears. What a person gave, corrected
    or named appears under its category, whatever the score, and what a person named under no other.

    Args:
        result: C categories, T frames; masks at the video's original size.
        video_id: id of the video in the annotation file.
        score_thr: lowest score that is written, in [0, 1].

    Returns:
        ``{"video_id", "category_id", "score", "segmentations": [T RLEs]}`` in the order of the sequences,
        then of the categories. Entries of one sequence share the list of RLEs.
    """
    entries: list[dict[str, Any]] = []
    for sequence in result.sequences:
        scores = zip(result.category_ids, sequence.class_scores.tolist(), strict=True)
        for label, (category_id, score) in enumerate(scores):
            likely = score >= max(score_thr, 0.0) and not sequence.named
            if likely or (sequence.by_hand and label == sequence.label):
                ids = {"video_id": video_id, "category_id": category_id}
                entries.append({**ids, "score": score, "segmentations": sequence.masks})
    return entries


def write_results(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the entries of all videos as one JSON list, one entry per line, in the order given.

    Entries are taken one at a time, so a generator keeps memory flat. The same entries give the same bytes.

    Raises:
        OutputError: if the file cannot be written.
        ValueError: if a number is NaN or infinite, which JSON does not know; an older file is then kept.
    """
    with atomic_stream(path) as stream:
        stream.write(b"[")
        for index, entry in enumerate(entries):
            text = json.dumps(entry, allow_nan=False, separators=(", ", ": "))
            stream.write((",\n" if index else "\n").encode() + text.encode())
        stream.write(b"\n]\n")


def dataset_entries(
    result: VideoResult, category_ids: Sequence[int | None], video_id: int, score_thr: float = 0.05
) -> list[dict[str, Any]]:
    """:func:`sequence_annotations` under the ids that the dataset has for the network's C categories.

    The ``category_ids`` of those that it lacks, of which there are no entries, are None.
    """
    absent = min((number for number in category_ids if number is not None), default=0) - 1
    result = replace(result, category_ids=tuple(absent if number is None else number for number in category_ids))
    entries = sequence_annotations(result, video_id, score_thr)
    return [entry for entry in entries if entry["category_id"] != absent]
