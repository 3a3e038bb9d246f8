"""Results of a config's dataset against its annotations: AP of sequences, or J and F of index PNGs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mmdet_vis.data.datasets import DAVISDataset, VideoDataset
from mmdet_vis.data.datasets.ytvis import of_categories
from mmdet_vis.evaluation import davis, ytvis
from mmdet_vis.evaluation.davis.dataset import DavisSequence, annotated_sequences, annotations_of_frames


def annotations_of(dataset: VideoDataset) -> dict[str, Any] | None:
    """The annotations of the categories that a dataset takes, as a YouTube-VIS file has them; None without any.

    Raises:
        DatasetError: they are damaged.
    """
    content = {} if dataset.ann_file is None else ytvis.load_annotations(dataset.ann_file)
    return of_categories(content, dataset.category_ids) if content.get("annotations") else None


def davis_truth(dataset: VideoDataset) -> list[DavisSequence]:
    """The index PNGs of a dataset that is measured by J&F.

    Raises:
        DatasetError: those of a video are missing.
    """
    if isinstance(dataset, DAVISDataset):
        return annotated_sequences(dataset.root, dataset.set_name, dataset.year, dataset.resolution)
    # An annotation file may hold the objects, but no void pixels.
    return [annotations_of_frames(video.name, video.frames) for video in dataset.videos]


def evaluate_folder(folder: Path, dataset: VideoDataset) -> davis.DavisMetrics | ytvis.YtvisMetrics:
    """Evaluate ``results.json`` or ``png`` of a run; what was left out counts as not found, where that is possible.

    Raises:
        ResultsError, DatasetError: there are no results for what must have some, or annotations are damaged.
    """
    progress = sys.stderr.isatty()
    if dataset.submission == "davis":
        return davis.evaluate_sequences(folder / "png", davis_truth(dataset), progress=progress)
    names = {"results_name": str(folder / "results.json"), "annotations_name": str(dataset.ann_file)}
    results, truth = ytvis.load_results(folder / "results.json"), annotations_of(dataset) or {}
    return ytvis.evaluate(results, truth, progress=progress, **names)
