"""J&F of DAVIS's unsupervised track, by the protocol of its official evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmdet_vis.data.formats.davis_layout import RESOLUTION
from mmdet_vis.data.formats.davis_png import MAX_OBJECTS, read_index_png
from mmdet_vis.errors import DatasetError, ResultsError
from mmdet_vis.evaluation.davis.dataset import DavisSequence, annotated_sequences
from mmdet_vis.evaluation.davis.measures import contour_accuracy, region_similarity
from mmdet_vis.evaluation.davis.metrics import DavisMetrics, ObjectMetrics
from mmdet_vis.progress import with_bar

VOID = 255


def evaluate(
    results_dir: str | Path,
    davis_root: str | Path,
    set_name: str = "val",
    *,
    year: int | None = None,
    resolution: str = RESOLUTION,
    progress: bool = False,
) -> DavisMetrics:
    """Evaluate index PNGs against the annotations of a DAVIS set.

    In each video, results are matched one to one to the annotated objects so that the sum of their mean (J + F) / 2
    is largest; results left over cost nothing. All frames count, the first and the last too. Objects are those of
    the first annotated frame, up to its highest index; pixels marked void (255) do not count.

    Args:
        results_dir: ``<video>/<frame>.png`` for each annotated frame; pixel values are object numbers, at most 20.
        davis_root: the folder that contains ``Annotations_unsupervised`` and ``ImageSets``, or (a link to) its
            ``JPEGImages/480p``.
        set_name: name of a list in ``ImageSets/<year>``.
        year: by default 2019 for the test sets and 2017 for others.
        resolution: of the results and annotations, "480p" or "Full-Resolution".
        progress: show a progress bar on stderr.

    Raises:
        DatasetError: if the set or its annotations are missing or damaged, or the PNG of a frame is; or if no object
            is annotated.
        ResultsError: if a video or frame is missing, or has the wrong size or too many objects.
    """
    sequences = annotated_sequences(davis_root, set_name, year, resolution)
    return evaluate_sequences(results_dir, sequences, progress=progress)


def evaluate_sequences(
    results_dir: str | Path, sequences: Sequence[DavisSequence], *, progress: bool = False
) -> DavisMetrics:
    """Evaluate index PNGs against annotated videos, wherever these are; see :func:`evaluate`.

    Raises:
        DatasetError, ResultsError: as :func:`evaluate`.
    """
    results_dir = Path(results_dir)
    if not results_dir.is_dir():
        raise ResultsError(f"{results_dir} is not a folder: give the one that holds a folder of PNGs for each video")
    for sequence in sequences:
        if not (results_dir / sequence.name).is_dir():
            raise ResultsError(
                f"{results_dir} has no folder {sequence.name}: results are needed for all {len(sequences)} annotated "
                "videos"
            )
    objects: list[ObjectMetrics] = []
    for sequence in with_bar(sequences, "evaluating videos", shown=progress):
        objects += evaluate_sequence(results_dir / sequence.name, sequence)
    if not objects:
        where = f": {sequences[0].annotations[0].parent.parent}" if sequences else ""
        raise DatasetError(
            f"no object is annotated in the set of {len(sequences)} videos{where}: J&F needs index PNGs whose first "
            "frames number the objects from 1, as in the archive DAVIS-2017-Unsupervised"
        )
    return DavisMetrics(objects)


def evaluate_sequence(results_dir: Path, sequence: DavisSequence) -> list[ObjectMetrics]:
    """J and F of each annotated object of one video.

    Raises:
        DatasetError, ResultsError: as :func:`evaluate`.
    """
    num_truths, num_results = 0, 0
    j: list[NDArray[np.float64]] = []
    f: list[NDArray[np.float64]] = []
    for number, path in enumerate(sequence.annotations):
        truth, result = read_pair(path, results_dir / path.name)
        num_results = max(num_results, int(result.max()))
        void = truth == VOID
        truth[void] = 0
        result[void] = 0
        if number == 0:
            num_truths = int(truth.max())
            if num_truths == 0:
                return []
        truth[truth > num_truths] = 0
        # How many results there are shows only at the end: measure as many as there may be.
        most = max(MAX_OBJECTS, num_truths)
        j.append(region_similarity(truth, result, num_truths, most))
        f.append(contour_accuracy(truth, result, num_truths, most))
    # Empty results stand in where there are fewer than objects.
    used = max(num_results, num_truths)
    all_j, all_f = np.stack(j, axis=2)[:used], np.stack(f, axis=2)[:used]
    quality = (all_j.mean(axis=2) + all_f.mean(axis=2)) / 2
    matched = zip(*linear_sum_assignment(quality, maximize=True), strict=True)
    return [
        ObjectMetrics(sequence.name, t + 1, r + 1 if r < num_results else 0, all_j[r, t], all_f[r, t])
        for t, r in sorted((int(t), int(r)) for r, t in matched)
    ]


def read_pair(truth_path: Path, result_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Object numbers ``[H, W]`` of a frame, annotated (255 is void) and found.

    Raises:
        DatasetError: the annotation cannot be read.
        ResultsError: the result cannot, or has another size or too many objects.
    """
    truth = read_index_png(truth_path)
    try:
        result = read_index_png(result_path)
    except DatasetError as error:
        raise ResultsError(str(error)) from None
    if result.shape != truth.shape:
        (height, width), (right_height, right_width) = result.shape, truth.shape
        raise ResultsError(
            f"{result_path} has {width}x{height} pixels, its annotation {right_width}x{right_height}: write results at "
            "its size (DAVIS is evaluated at 480p)"
        )
    if result.max(initial=0) > MAX_OBJECTS:
        raise ResultsError(
            f"{result_path} has object number {result.max()}: DAVIS allows {MAX_OBJECTS} objects per video, numbered "
            "from 1"
        )
    return truth, result
