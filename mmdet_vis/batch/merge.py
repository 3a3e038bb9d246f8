"""The results of all videos in two files: ``results.json`` of YouTube-VIS, and a table of sequences to query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmdet_vis.batch.manifest import Entry
from mmdet_vis.batch.store import BatchStore
from mmdet_vis.batch.tables import write_parquet
from mmdet_vis.data.formats import sequence_annotations, write_results
from mmdet_vis.progress import with_bar
from mmdet_vis.result import VideoResult

RESULTS, SEQUENCES = "results.json", "sequences.parquet"


def merge(store: BatchStore, entries: Sequence[Entry], score_thr: float) -> None:
    """Write ``OUT/results.json`` and ``OUT/sequences.parquet`` of the videos that are done, in the order of the list.

    Results are read one at a time; entries and sequences have scores from ``score_thr`` on. ``video_id`` is the place
    in the list, counted from 1, and ``video_name`` the id.

    Raises:
        OutputError, ResultsError: a file cannot be written, or a result is damaged.
    """
    done = store.done()
    videos = [(number, entry.id) for number, entry in enumerate(entries, start=1) if entry.id in done]

    def results(what: str) -> Iterator[tuple[int, str, VideoResult]]:
        for number, id in with_bar(videos, what, len(videos)):
            yield number, id, store.load(id)

    with store.storage.write_to(RESULTS) as path:
        write_results(
            path,
            (
                {**entry, "video_name": id}
                for number, id, result in results(RESULTS)
                for entry in sequence_annotations(result, number, score_thr)
            ),
        )
    rows = (
        row
        for number, id, result in results(SEQUENCES)
        for row in sequence_rows(result, number, id)
        if row["score"] >= score_thr
    )
    write_parquet(store.storage, SEQUENCES, rows, "sequences")


def sequence_rows(result: VideoResult, number: int, id: str) -> Iterator[Mapping[str, Any]]:
    """One row for each sequence: its best category, its score, when it is seen, and its pixels on each frame.

    ``first_frame`` and ``last_frame`` are 0-based and null for a sequence that is never seen; ``areas`` are those of
    the frames between them, ends included, in pixels.
    """
    for sequence in result.sequences:
        areas = sequence.areas
        seen = np.flatnonzero(areas)
        first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (None, None)
        yield {
            "video_id": number,
            "id": id,
            "track_id": sequence.track_id,
            "category": result.category_of(sequence),
            "score": sequence.score,
            "first_frame": first,
            "last_frame": last,
            "visible_frames": len(seen),
            "height": result.height,
            "width": result.width,
            "areas": areas[first : last + 1].tolist() if first is not None and last is not None else [],
        }
