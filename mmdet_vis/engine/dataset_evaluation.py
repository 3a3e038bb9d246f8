"""The evaluation of a run over a dataset: by the measure of its benchmark, if the dataset has ground truth."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from mmdet_vis.data.datasets import DAVISDataset, VideoDataset
from mmdet_vis.engine.run_store import RunStore
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.evaluation import davis, ytvis
from mmdet_vis.evaluation.davis.dataset import DavisSequence, annotated_sequences, annotations_of_frames
from mmdet_vis.evaluation.writers.files import atomic_write


def check_can_evaluate(dataset: VideoDataset, formats: Sequence[str]) -> None:
    """Find out before the run whether its results can be evaluated.

    Raises:
        DatasetError: the dataset has no annotations, as most validation sets of benchmarks.
        ConfigError: what the evaluation reads is not among the formats.
    """
    if dataset.submission == "davis":
        _davis_truth(dataset)
    elif dataset.ann_file is None or not ytvis.load_annotations(dataset.ann_file).get("annotations"):
        raise DatasetError(
            f"--eval: {dataset.ann_file or dataset.name} has no annotations: leave it out, and upload submission.zip "
            "to the benchmark's server"
        )
    # J&F is of the index PNGs, AP of the sequences.
    needed = "png" if dataset.submission == "davis" else "json"
    if needed not in formats:
        raise ConfigError(f"--eval needs {needed} among the --format of this dataset")


def evaluate_run(store: RunStore, dataset: VideoDataset) -> None:
    """Print the metrics and write ``metrics.json``; what was left out counts as not found, where that is possible.

    Raises:
        ResultsError, DatasetError: there are no results for what must have some, or annotations are damaged.
    """
    progress = sys.stderr.isatty()
    metrics: davis.DavisMetrics | ytvis.YtvisMetrics
    if dataset.submission == "davis":
        metrics = davis.evaluate_sequences(store.folder / "png", _davis_truth(dataset), progress=progress)
    else:
        results = store.folder / "results.json"
        metrics = ytvis.evaluate(
            ytvis.load_results(results),
            ytvis.load_annotations(str(dataset.ann_file)),
            results_name=str(results),
            annotations_name=str(dataset.ann_file),
            progress=progress,
        )
    print(metrics.table())
    atomic_write(store.folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")


def _davis_truth(dataset: VideoDataset) -> list[DavisSequence]:
    """The index PNGs of a dataset that is measured by J&F.

    Raises:
        DatasetError: those of a video are missing.
    """
    if isinstance(dataset, DAVISDataset):
        return annotated_sequences(dataset.root, dataset.set_name, dataset.year, dataset.resolution)
    # An annotation file may hold the objects, but no void pixels.
    return [annotations_of_frames(video.name, video.frames) for video in dataset.videos]
